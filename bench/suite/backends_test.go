package suite

import (
	"testing"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// opener opens an empty backend with its files in b.TempDir.
type opener = func(b testing.TB, o state.Options) (snapshot.Backend, error)

// backends lists the backends with their names in the rows.
var backends = []struct {
	name string
	open opener
}{
	{"hash", func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }},
	{"btree", func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return heapstate.NewBTree(o) }},
	{"lsm", openLSM},
}

func openLSM(b testing.TB, o state.Options) (snapshot.Backend, error) {
	return lsmstate.Create(b.TempDir(), lsmstate.Options{Options: o})
}

// BenchmarkState measures operations on one key. The time includes setting the current key.
func BenchmarkState(b *testing.B) {
	engines := []Engine{GoMap}
	for _, at := range backends {
		engines = append(engines, Engine{Name: at.name, Open: func(b testing.TB, o state.Options) (backend.Backend, error) {
			return at.open(b, o)
		}})
	}
	Operations(b, engines...)
}
