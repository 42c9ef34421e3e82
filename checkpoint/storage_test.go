package checkpoint

import (
	"bytes"
	"context"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

func TestStorageOptionsHaveTheirDefaultsAndLimits(t *testing.T) {
	objects := newMemoryObjects(&memoryBudget{})
	for _, c := range []struct{ given, want int64 }{{0, 20 << 10}, {1, 1}, {1 << 20, 1 << 20}} {
		s, err := NewStorage(objects, StorageOptions{InlineBytes: c.given})
		require.NoError(t, err)
		require.Equal(t, c.want, s.inlineBytes)
		require.NoError(t, s.take(math.MaxInt64), "only memory has a budget")
		s.release(math.MaxInt64)
	}
	s, err := NewStorage(objects, StorageOptions{InlineBytes: -1})
	require.NoError(t, err)
	require.Negative(t, s.inlineBytes)
	_, err = NewStorage(objects, StorageOptions{InlineBytes: 1<<20 + 1})
	require.ErrorIs(t, err, ErrInvalidOption)
	_, err = NewStorage(nil, StorageOptions{})
	require.ErrorIs(t, err, ErrInvalidOption)
}

func TestMemoryOptionsHaveTheirDefaultsAndLimits(t *testing.T) {
	for _, c := range []struct {
		given                    MemoryOptions
		state, frame, totalBytes int64
	}{
		{MemoryOptions{}, 5 << 20, 10 << 20, 256 << 20},
		{MemoryOptions{MaxStateBytes: -1, FrameBytes: -1, TotalBytes: -1}, 5 << 20, 10 << 20, 256 << 20},
		{MemoryOptions{MaxStateBytes: 64 << 20}, 10 << 20, 10 << 20, 256 << 20},
		{MemoryOptions{FrameBytes: 1000}, 1000, 1000, 256 << 20},
		{MemoryOptions{MaxStateBytes: 64 << 20, FrameBytes: 100 << 20, TotalBytes: 1}, 64 << 20, 100 << 20, 1},
	} {
		s := NewMemory(c.given)
		require.Equal(t, c.state, s.inlineBytes)
		require.Equal(t, c.frame, s.frameBytes)
		require.Equal(t, c.totalBytes, s.memory.limitBytes)
	}
}

func TestFrameMayBeFullToTheByte(t *testing.T) {
	p := Part{
		Handle: &snapshot.Handle{
			Keyspace: backend.WholeKeyspace(8),
			Files:    []snapshot.FileRef{{Name: "f", Size: 500, Bounds: backend.WholeKeyspace(8).Groups}},
		},
		Data:   make([]byte, 300),
		Inline: map[string][]byte{"f": make([]byte, 500)},
	}
	want := int64(builtPartSize(p))
	size, err := NewMemory(MemoryOptions{FrameBytes: want}).checkPart(p)
	require.NoError(t, err)
	require.Equal(t, want, size)
	_, err = NewMemory(MemoryOptions{FrameBytes: want - 1}).checkPart(p)
	require.ErrorIs(t, err, ErrFrameTooLarge)
	onFiles, err := NewStorage(newMemoryObjects(&memoryBudget{}), StorageOptions{})
	require.NoError(t, err)
	_, err = onFiles.checkPart(p)
	require.NoError(t, err)
	p.Handle.Rows = -1
	_, err = onFiles.checkPart(p)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestMemoryMayBeFullToTheByte(t *testing.T) {
	b := &memoryBudget{limitBytes: 100}
	require.NoError(t, b.take(60))
	require.ErrorIs(t, b.take(41), ErrMemoryFull)
	require.ErrorIs(t, b.take(math.MaxInt64), ErrMemoryFull)
	require.NoError(t, b.take(40))
	require.ErrorIs(t, b.take(1), ErrMemoryFull)
	require.NoError(t, b.take(0))
	b.release(60)
	require.NoError(t, b.take(60))
	err := b.take(7)
	require.ErrorContains(t, err, "7 more bytes")
	require.ErrorContains(t, err, "100")
}

func TestBudgetIsExactForManyAtOnce(t *testing.T) {
	b := &memoryBudget{limitBytes: 10}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if b.take(3) == nil {
					b.release(3)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, b.take(10))
}

func TestObjectsInMemoryCountUntilTheyAreRemoved(t *testing.T) {
	ctx := context.Background()
	b := &memoryBudget{limitBytes: 100}
	objects := newMemoryObjects(b)
	putObject(t, objects, "a", string(make([]byte, 60)))
	f, err := objects.Create(ctx, "b")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 30))
	require.NoError(t, err)
	n, err := f.Write(make([]byte, 11))
	require.ErrorIs(t, err, ErrMemoryFull)
	require.Zero(t, n)
	require.NoError(t, f.Abort())
	require.NoError(t, f.Abort())
	require.ErrorIs(t, writeObject(ctx, objects, "b", make([]byte, 41)), ErrMemoryFull)
	putObject(t, objects, "b", string(make([]byte, 40)))
	require.ErrorIs(t, b.take(1), ErrMemoryFull)
	require.NoError(t, objects.Remove(ctx, "a"))
	require.NoError(t, objects.Remove(ctx, "a"))
	require.NoError(t, b.take(60))
	require.ErrorIs(t, b.take(1), ErrMemoryFull)
	require.Equal(t, []string{"b"}, namesOf(t, objects, ""))
}

// The caller may change its buffer after Write.
func TestObjectsInMemoryAreCopies(t *testing.T) {
	objects := newMemoryObjects(&memoryBudget{limitBytes: 100})
	content := []byte("text")
	require.NoError(t, writeObject(context.Background(), objects, "a", content))
	copy(content, "XXXX")
	got, err := readObject(context.Background(), objects, "a", 4)
	require.NoError(t, err)
	copy(got, bytes.Repeat([]byte("Y"), 4))
	require.Equal(t, "text", getObject(t, objects, "a"))
}
