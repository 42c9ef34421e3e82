package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// endingSource calls end at the first read from byte from on, and counts later reads.
type endingSource struct {
	snapshot.Source
	from  int64
	end   func()
	ended bool
	after int
}

func (s *endingSource) Open(ctx context.Context, name string) (snapshot.Object, error) {
	o, err := s.Source.Open(ctx, name)
	return endingObject{o, s}, err
}

type endingObject struct {
	snapshot.Object
	s *endingSource
}

func (o endingObject) ReadAt(p []byte, offset int64) (int, error) {
	size, err := o.Size()
	if err != nil {
		return 0, err
	}
	if o.s.ended {
		o.s.after++
	} else if offset >= o.s.from && offset < size-1000 { // not the index or the trailer
		o.s.ended = true
		o.s.end()
	}
	return o.Object.ReadAt(p, offset)
}

// One key group may have all rows, and one row all bytes. After the end of the context the reader
// reads at most the rest of the current block.
func TestReadingASnapshotEndsWithItsContext(t *testing.T) {
	enough := errors.New("enough")
	for name, valueBytes := range map[string]int{"small rows": 100, "a large row": 8 << 20} {
		b, k, v := single(t, codec.String[string](), "s", pair("pair", 1, "a"))
		require.NoError(t, k.SetKeyAndGroup("k", 0))
		require.NoError(t, v.Set(mean{sum: 1}))
		text, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "text", Codec: codec.String[string]()})
		require.NoError(t, err)
		for i := range max(1<<20/valueBytes, 1) {
			require.NoError(t, k.SetKeyAndGroup(fmt.Sprint(i), 0))
			require.NoError(t, text.Set(string(make([]byte, valueBytes))))
		}
		file := fileOf(t, b, fixtureID, snapshot.None, snapshot.Sizes{})
		files := memory{"state": file}
		h, err := snapshot.ReadHandle(context.Background(), files, "state")
		require.NoError(t, err)
		for at, call := range map[string]func(context.Context, snapshot.Source) error{
			"restore": func(ctx context.Context, src snapshot.Source) error {
				b, k, _ := single(t, codec.String[string](), "s", pair("pair", 1, "a"))
				_, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "text", Codec: codec.String[string]()})
				require.NoError(t, err)
				_, err = snapshot.Restore(ctx, b, src, []snapshot.Handle{h}, snapshot.RestoreOptions{})
				return err
			},
			"handle": func(ctx context.Context, src snapshot.Source) error {
				_, err := snapshot.ReadHandle(ctx, src, "state")
				return err
			},
		} {
			t.Run(name+" "+at, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				src := &endingSource{Source: files, from: int64(len(file) / 2), end: func() { cancel(enough) }}
				require.ErrorIs(t, call(ctx, src), enough)
				require.LessOrEqual(t, src.after, 2, "a block is two reads")
			})
		}
	}
}
