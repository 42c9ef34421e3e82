package snapshot

import (
	"context"
	"io"
)

// Sizes lowers the sizes of blocks, and the limit of values, in bytes. Zero keeps the default.
type Sizes struct{ Full, Large, Value int }

// WriteView writes a view as Start does, with the given identity.
func WriteView(out io.Writer, v View, id Identity, c Compression, s Sizes) error {
	w, err := newWriter(out, id, c)
	if err != nil {
		return err
	}
	if s.Full > 0 {
		w.fullBytes = s.Full
	}
	if s.Large > 0 {
		w.largeBytes = s.Large
	}
	if s.Value > 0 {
		w.valueBytes = uint64(s.Value)
	}
	return w.view(context.Background(), v, func(Progress) {})
}
