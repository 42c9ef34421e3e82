package statetest

import (
	"testing"

	"github.com/weirstate/weir/state"
)

// placesApart checks that what is in one place is in no other.
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
			p.in(at.space)
			p.clear()
			p.requireBare()
			p.requireNeighbours(at.key + "/" + at.space)
		}
	})
}

// neighbours are places that a backend could take for each other: keys and
// namespaces that are prefixes of others, or that end where others go on.
var neighbours = []place{
	{"", ""}, {"", "a"}, {"a", ""}, {"a", "a"}, {"aa", ""}, {"ab", ""}, {"a", "b"}, {"a\x00", ""}, {"a", "\x00"},
	{"a\x00\x01", ""}, {"a\x00\xff", ""}, {"a\xff", ""}, {"a", "\x00\x01a"}, {"a\x00\x01a", ""},
}

// place is where a state may have something.
type place struct{ key, space string }

func (p *program) fillNeighbours() {
	for _, at := range neighbours {
		p.at(at.key)
		p.in(at.space)
		p.clear()
		p.fill(at.key + "/" + at.space)
	}
}

// requireNeighbours checks all but the one that is named.
func (p *program) requireNeighbours(missing string) {
	p.t.Helper()
	for _, at := range neighbours {
		if name := at.key + "/" + at.space; name != missing {
			p.at(at.key)
			p.in(at.space)
			p.requireFilled(name)
		}
	}
}
