package state

import (
	"bytes"

	"github.com/weirstate/weir/state/backend"
)

// listWalks are the iterations under way over the lists of one byte state. An
// iteration yields the list as it was at its first step, but reads it chunk by
// chunk; so whoever is about to write to a list settles its iterations first.
type listWalks struct {
	open []*listWalk
	idle *listWalk // ended, used again
}

// listWalk is one of them.
type listWalk struct {
	prefix  []byte
	cursor  backend.Cursor
	chunk   []byte // the one handed out last
	left    []byte // all that is left, once settled
	settled bool
}

func (w *listWalks) begin(prefix []byte, b backend.ByteBackend) *listWalk {
	walk := w.idle
	if w.idle = nil; walk == nil {
		walk = &listWalk{}
	}
	*walk = listWalk{prefix: append(walk.prefix[:0], prefix...), cursor: b.ScanPrefix(prefix, prefix), chunk: walk.chunk[:0]}
	w.open = append(w.open, walk)
	return walk
}

// end closes the cursor of a walk; there is nothing more to read, so its error
// does not matter.
func (w *listWalks) end(walk *listWalk) {
	for i, other := range w.open {
		if other == walk {
			w.open = append(w.open[:i], w.open[i+1:]...)
			break
		}
	}
	_ = walk.cursor.Close()
	walk.cursor, walk.left = nil, nil
	if cap(walk.chunk) <= 2*chunkBytes {
		w.idle = walk
	}
}

// settle makes the walks over a list independent of what happens to it.
func (w *listWalks) settle(prefix []byte) error {
	for _, walk := range w.open {
		if walk.settled || !bytes.Equal(walk.prefix, prefix) {
			continue
		}
		for {
			_, chunk, ok, err := walk.cursor.Next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			walk.left = append(walk.left, chunk...)
		}
		walk.settled = true
	}
	return nil
}

// next returns the next chunk, empty at the end. It is good until the next call.
func (w *listWalk) next() ([]byte, error) {
	if left := w.left; len(left) > 0 || w.settled {
		w.left = nil
		return left, nil
	}
	_, value, ok, err := w.cursor.Next()
	if err != nil || !ok {
		return nil, err
	}
	w.chunk = append(w.chunk[:0], value...)
	return w.chunk, nil
}
