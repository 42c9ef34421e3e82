package storagetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// severalParts is larger than one part of an upload in any store that is known.
const severalParts = 20<<20 + 3

func visibleAfterCommit(t *testing.T, h *harness) {
	objects := h.fresh(t)
	requireOnly(t, objects)
	for _, size := range []int{0, 3, severalParts} {
		name, data := fmt.Sprintf("job/chk-1/%d", size), content(size, 1)
		file := create(t, objects, name, data)
		_, err := objects.Open(t.Context(), name)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.NotContains(t, names(t, objects, ""), name)
		require.NoError(t, file.Commit())
		requireContent(t, objects, name, data)
		require.Equal(t, []string{name}, names(t, objects, name))
	}
	require.Empty(t, unfinished(t, objects, ""))
}

func thereAfterReopening(t *testing.T, h *harness) {
	root := h.root()
	put(t, h.open(t, root), "job/a", []byte("text"))
	put(t, h.open(t, root), "job/b", nil)
	objects := h.open(t, root)
	requireOnly(t, objects, "job/a", "job/b")
	requireContent(t, objects, "job/a", []byte("text"))
	requireContent(t, objects, "job/b", nil)
}

func firstStays(t *testing.T, h *harness) {
	root := h.root()
	objects := h.open(t, root)
	for _, second := range []int{0, 6, severalParts} {
		name := fmt.Sprintf("job/chk-1/%d", second)
		early := create(t, objects, name, content(second, 2)) // begins before the first exists
		put(t, objects, name, []byte("first"))
		require.ErrorIs(t, early.Commit(), fs.ErrExist)
		require.NoError(t, early.Abort())
		for _, store := range []checkpoint.Objects{objects, h.open(t, root)} {
			require.ErrorIs(t, tryPut(t.Context(), store, name, content(second, 3)), fs.ErrExist)
		}
		requireContent(t, h.open(t, root), name, []byte("first"))
	}
	require.Len(t, names(t, objects, ""), 3)
	require.Empty(t, unfinished(t, objects, ""), "losers left something")
}

func oneCreatorWins(t *testing.T, h *harness) {
	root := h.root()
	for round := range 5 {
		name := fmt.Sprintf("job/chk/%d", round)
		stores := []checkpoint.Objects{h.open(t, root), h.open(t, root)}
		var mu sync.Mutex
		var winners []int
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				err := tryPut(t.Context(), stores[i%2], name, fmt.Appendf(nil, "creator %d", i))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, i)
				} else if !errors.Is(err, fs.ErrExist) {
					t.Errorf("creator %d: %v", i, err)
				}
			})
		}
		all.Wait()
		require.Len(t, winners, 1, "creators that succeeded")
		requireContent(t, stores[0], name, fmt.Appendf(nil, "creator %d", winners[0]))
		require.Empty(t, unfinished(t, stores[0], ""))
	}
}

func allSizes(t *testing.T, h *harness) {
	objects := h.fresh(t)
	var want []string
	for i, size := range []int{0, 1, 4096, 64<<10 + 1, 5 << 20, severalParts} {
		name, data := fmt.Sprintf("job/%d", i), content(size, uint64(size))
		file, err := objects.Create(t.Context(), name)
		require.NoError(t, err)
		for rest, piece := data, 1; len(rest) > 0; piece = piece*3 + 1 {
			n, err := file.Write(rest[:min(piece, len(rest))])
			require.NoError(t, err)
			require.Equal(t, min(piece, len(rest)), n)
			rest = rest[n:]
			_, err = file.Write(nil)
			require.NoError(t, err)
		}
		require.NoError(t, file.Commit())
		requireContent(t, objects, name, data)
		listed := list(t, objects, name)
		require.Len(t, listed, 1)
		require.EqualValues(t, size, listed[0].Size)
		want = append(want, name)
	}
	requireOnly(t, objects, want...)
}

// Write must not keep the caller's bytes, which the caller may change afterwards.
func abortLeavesNothing(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for _, size := range []int{0, 10, severalParts} {
		data := content(size, 4)
		file := create(t, objects, "job/chk-1/a", data)
		require.NoError(t, file.Abort())
		require.NoError(t, file.Abort(), "a second Abort")
		requireOnly(t, objects)
		_, err := objects.Open(t.Context(), "job/chk-1/a")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	buffer := []byte("text")
	file := create(t, objects, "job/chk-1/a", buffer)
	copy(buffer, "TEXT")
	require.NoError(t, file.Commit(), "the name is free after Abort")
	requireContent(t, objects, "job/chk-1/a", []byte("text"))
}

func abortAfterCommit(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for _, size := range []int{4, severalParts} {
		name, data := fmt.Sprintf("job/%d", size), content(size, 5)
		file := create(t, objects, name, data)
		require.NoError(t, file.Commit())
		require.NoError(t, file.Abort())
		require.NoError(t, file.Abort())
		requireContent(t, objects, name, data)
	}
}

func endedFile(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for name, end := range map[string]func(snapshot.File) error{
		"job/committed": snapshot.File.Commit, "job/aborted": snapshot.File.Abort,
	} {
		file := create(t, objects, name, []byte("text"))
		require.NoError(t, end(file))
		_, err := file.Write([]byte("more"))
		require.Error(t, err, "Write: %s", name)
		require.Error(t, file.Commit(), "Commit: %s", name)
		require.NoError(t, file.Abort())
	}
	requireOnly(t, objects, "job/committed")
	requireContent(t, objects, "job/committed", []byte("text"))
}

// errStopped is the cause with which the kit cancels contexts.
var errStopped = errors.New("stopped by the test")

// canceled returns a context that has ended.
func canceled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	return ctx
}

func canceledOperations(t *testing.T, h *harness) {
	objects := h.fresh(t)
	put(t, objects, "job/a", []byte("text"))
	ctx := canceled(t)
	_, err := objects.Create(ctx, "job/b")
	require.ErrorIs(t, err, errStopped, "Create")
	_, err = objects.Open(ctx, "job/a")
	require.ErrorIs(t, err, errStopped, "Open")
	_, err = objects.Open(ctx, "job/missing")
	require.NotErrorIs(t, err, fs.ErrNotExist, "the store has not answered")
	_, err = objects.List(ctx, "job/")
	require.ErrorIs(t, err, errStopped, "List")
	require.ErrorIs(t, objects.Remove(ctx, "job/a"), errStopped, "Remove")
	if batch, ok := objects.(checkpoint.BatchRemover); ok {
		require.ErrorIs(t, batch.RemoveAll(ctx, []string{"job/a"}), errStopped, "RemoveAll")
	}
	if lister, ok := objects.(checkpoint.UnfinishedLister); ok {
		_, err = lister.ListUnfinished(ctx, "job/")
		require.ErrorIs(t, err, errStopped, "ListUnfinished")
	}
	if locker, ok := objects.(checkpoint.Locker); ok {
		_, err = locker.Lock(ctx, "job/lock")
		require.ErrorIs(t, err, errStopped, "Lock")
		lock, err := locker.Lock(t.Context(), "job/lock")
		require.NoError(t, err, "the lock was taken all the same")
		require.NoError(t, lock.Close())
	}
	requireOnly(t, objects, "job/a")
	requireContent(t, objects, "job/a", []byte("text"))
}

// After the context of Create has ended, Commit may still succeed, but then completely.
func canceledUpload(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for _, size := range []int{0, 10, severalParts} {
		for _, commit := range []bool{false, true} {
			name, data := fmt.Sprintf("job/%d-%v", size, commit), content(size, 6)
			ctx, cancel := context.WithCancelCause(t.Context())
			file, err := objects.Create(ctx, name)
			require.NoError(t, err)
			_, err = file.Write(data[:size/2])
			require.NoError(t, err)
			cancel(errStopped)
			if _, err = file.Write(data[size/2:]); err == nil && commit {
				err = file.Commit()
			}
			if commit && err == nil {
				requireContent(t, objects, name, data)
				continue
			}
			if err != nil {
				require.ErrorIs(t, err, errStopped)
			}
			require.NoError(t, file.Abort(), "Abort must not need the context")
			require.Empty(t, names(t, objects, name))
		}
	}
	require.Empty(t, unfinished(t, objects, ""))
}

// requireNames fails the test unless the error has the name of an object in its text.
func requireNames(t testing.TB, err error, name string) {
	t.Helper()
	require.Error(t, err)
	text := strings.NewReplacer(`\\`, "/", `\`, "/").Replace(err.Error()) // paths of Windows
	require.Contains(t, text, name, "the error does not name the object")
}

func errorsNameTheObject(t *testing.T, h *harness) {
	objects := h.fresh(t)
	_, err := objects.Open(t.Context(), "job/chk-1/missing")
	requireNames(t, err, "job/chk-1/missing")
	late := create(t, objects, "job/chk-1/taken", nil)
	put(t, objects, "job/chk-1/taken", nil)
	requireNames(t, late.Commit(), "job/chk-1/taken")
	require.NoError(t, late.Abort())
	requireNames(t, tryPut(t.Context(), objects, "job/chk-1/taken", nil), "job/chk-1/taken")
}
