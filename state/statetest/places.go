package statetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// placesApart checks that a write to one place changes no other place.
func placesApart(t *testing.T, h harness) {
	t.Run("keys and namespaces that begin alike are apart", func(t *testing.T) {
		p := h.program(t, state.Options{})
		p.fillNeighbours()
		p.requireNeighbours("")
	})
	t.Run("clearing one leaves its neighbours", func(t *testing.T) {
		p := h.program(t, state.Options{})
		for _, at := range neighbours {
			p.fillNeighbours()
			p.at(at.key)
			p.in(at.namespace)
			p.clear()
			p.requireBare()
			p.requireNeighbours(at.key + "/" + at.namespace)
		}
	})
	t.Run("appending to one list leaves its neighbours", func(t *testing.T) {
		p := h.program(t, state.Options{})
		for round := range 3 {
			for _, at := range neighbours {
				p.at(at.key)
				p.in(at.namespace)
				require.NoError(t, p.list.Add(fmt.Sprint(at, round)))
			}
		}
		for _, at := range neighbours {
			p.at(at.key)
			p.in(at.namespace)
			requireList(t, []string{fmt.Sprint(at, 0), fmt.Sprint(at, 1), fmt.Sprint(at, 2)}, p.list)
		}
	})
}

// neighbours are places that a faulty backend could confuse: keys and namespaces that are
// prefixes of others, or that contain bytes of the escape.
var neighbours = []place{
	{"", ""}, {"", "a"}, {"a", ""}, {"a", "a"}, {"aa", ""}, {"ab", ""}, {"a", "b"}, {"a\x00", ""}, {"a", "\x00"},
	{"a\x00\x01", ""}, {"a\x00\xff", ""}, {"a\xff", ""}, {"a", "\x00\x01a"}, {"a\x00\x01a", ""},
}

// place is a key and a namespace.
type place struct{ key, namespace string }

func (p *program) fillNeighbours() {
	for _, at := range neighbours {
		p.at(at.key)
		p.in(at.namespace)
		p.clear()
		p.fill(at.key + "/" + at.namespace)
	}
}

// requireNeighbours checks all places but the one whose fillNeighbours text is missing.
func (p *program) requireNeighbours(missing string) {
	p.t.Helper()
	for _, at := range neighbours {
		if name := at.key + "/" + at.namespace; name != missing {
			p.at(at.key)
			p.in(at.namespace)
			p.requireFilled(name)
		}
	}
}
