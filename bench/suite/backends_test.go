package suite

import (
	"testing"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/lsm"
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
	{"lsm-tier", openLSMTier},
}

func openLSM(b testing.TB, o state.Options) (snapshot.Backend, error) {
	return lsmstate.Create(b.TempDir(), lsmstate.Options{Options: o})
}

// openLSMTier opens a backend whose hot tier holds all rows: each is charged twice for the garbage
// collector, and may take half of the budget.
func openLSMTier(b testing.TB, o state.Options) (snapshot.Backend, error) {
	budget := lsm.NewBudget(1 << 30)
	b.Cleanup(func() { check(budget.Close()) })
	return lsmstate.Create(b.TempDir(), lsmstate.Options{Options: o, Tier: true, Budget: budget})
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
