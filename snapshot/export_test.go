package snapshot

import (
	"context"
	"io"
)

// Sizes lower the sizes of blocks, in bytes. Zero leaves a size as it is.
type Sizes struct{ Full, Large int }

// WriteView writes a view as Start would, under a known identity.
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
	return w.view(context.Background(), v, func(Progress) {})
}
