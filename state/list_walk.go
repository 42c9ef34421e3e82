package state

import (
	"bytes"

	"github.com/weirstate/weir/state/backend"
)

// listWalks holds the open iterations over the lists of one byte state.
//
// An iteration yields the list as it was at its first step, but reads it chunk by chunk. So a
// write to a list first detaches the iterations over this list: it reads their remaining chunks
// into memory.
type listWalks struct {
	open []*listWalk
	idle *listWalk // a closed walk whose memory the next one uses
}

// listWalk is one open iteration.
type listWalk struct {
	prefix   []byte // of the list's rows
	cursor   backend.Cursor
	chunk    []byte // a copy of the chunk that next returned last
	left     []byte // all remaining chunks, once detached
	detached bool
}

// begin opens an iteration over the list under a prefix.
func (w *listWalks) begin(prefix []byte, b backend.ByteBackend) *listWalk {
	walk := w.idle
	if w.idle = nil; walk == nil {
		walk = &listWalk{}
	}
	*walk = listWalk{prefix: append(walk.prefix[:0], prefix...), cursor: b.ScanPrefix(prefix, prefix), chunk: walk.chunk[:0]}
	w.open = append(w.open, walk)
	return walk
}

// end closes an iteration. It ignores the error of closing the cursor, since nothing more is
// read from it.
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

// detach reads the remaining chunks of the iterations over the list under a prefix into memory.
// Later writes to the list do not change what these iterations yield.
func (w *listWalks) detach(prefix []byte) error {
	for _, walk := range w.open {
		if walk.detached || !bytes.Equal(walk.prefix, prefix) {
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
		walk.detached = true
	}
	return nil
}

// next returns the next chunk, or an empty slice at the end. The chunk is valid until the next
// call.
func (w *listWalk) next() ([]byte, error) {
	if left := w.left; len(left) > 0 || w.detached {
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
