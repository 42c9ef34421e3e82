package storagetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

// requireRange reads n bytes at an offset and compares them with the object's content.
func requireRange(t testing.TB, object snapshot.Object, data []byte, offset int64, n int) {
	t.Helper()
	got := make([]byte, n)
	read, err := object.ReadAt(got, offset)
	want := data[min(offset, int64(len(data))):min(offset+int64(n), int64(len(data)))]
	switch {
	case len(want) < n:
		require.Equal(t, io.EOF, err, "%d bytes at %d of %d: callers compare io.EOF with ==", n, offset, len(data))
	case err != nil: // io.ReaderAt permits io.EOF together with the last byte
		require.Equal(t, io.EOF, err)
		require.EqualValues(t, len(data), offset+int64(n))
	}
	requireSame(t, want, got[:read], fmt.Sprintf("range of %d bytes at %d", n, offset))
}

func ranges(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for _, size := range []int{0, 1, 1000, 3<<20 + 1} {
		name, data := fmt.Sprintf("job/%d", size), content(size, uint64(size))
		put(t, objects, name, data)
		object := open(t, objects, name)
		got, err := object.Size()
		require.NoError(t, err)
		require.EqualValues(t, size, got)
		for _, offset := range []int{0, 1, size / 2, size - 1, size, size + 1, size + 1<<20} {
			for _, n := range []int{0, 1, 2, size / 2, size - 1, size, size + 1, size + 100} {
				if offset >= 0 && n > 0 {
					requireRange(t, object, data, int64(offset), n)
				}
			}
		}
		n, err := object.ReadAt(nil, 0)
		require.Zero(t, n)
		require.True(t, err == nil || err == io.EOF, "%v", err)
		_, err = object.ReadAt(make([]byte, 1), -1)
		require.Error(t, err, "a negative offset")
		require.NotErrorIs(t, err, io.EOF, "a negative offset")
		require.NoError(t, object.Close())
	}
}

func concurrentReads(t *testing.T, h *harness) {
	objects := h.fresh(t)
	data := content(1<<20, 7)
	put(t, objects, "job/a", data)
	object := open(t, objects, "job/a")
	var all sync.WaitGroup
	for i := range uint64(8) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(i, 1))
			for range 8 {
				offset := random.IntN(len(data))
				got := make([]byte, 1+random.IntN(len(data)-offset))
				if _, err := object.ReadAt(got, int64(offset)); err != nil && err != io.EOF {
					t.Error(err)
				} else if string(got) != string(data[offset:offset+len(got)]) {
					t.Errorf("%d bytes at %d are wrong", len(got), offset)
				}
			}
		})
	}
	all.Wait()
}

func missingObject(t *testing.T, h *harness) {
	objects := h.fresh(t)
	put(t, objects, "job/chk-1/a", []byte("text"))
	for _, name := range []string{"a", "job", "job/chk-1", "job/chk-1/b", "job/chk-1/a0", "job/chk-2/a", "job/chk-1/a/b"} {
		_, err := objects.Open(t.Context(), name)
		if name == "job" || name == "job/chk-1" { // directories of a file system
			require.True(t, errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrNotRegular), "%q: %v", name, err)
			continue
		}
		require.ErrorIs(t, err, fs.ErrNotExist, "%q", name)
	}
}
