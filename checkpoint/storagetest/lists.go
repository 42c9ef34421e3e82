package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

func listByPrefix(t *testing.T, h *harness) {
	objects := h.fresh(t)
	ordered := []string{
		"job", "job-a/x", "job-b", "job.b", "job0", "jobs/a", "jobs/a-", "jobs/a-b", "jobs/a.b", "jobs/a0",
		"jobs/b/c", "jobs/b/c-d", "jobs/b/d/e", "jobs/b0", "k",
	}
	for i := range ordered { // not in order
		name := ordered[(i*7+3)%len(ordered)]
		put(t, objects, name, []byte(name))
	}
	requireOnly(t, objects, ordered...)
	for _, prefix := range []string{
		"j", "job", "job-", "job-a/", "job/", "job0", "job00", "jobs", "jobs/", "jobs/a", "jobs/a/", "jobs/a-", "jobs/b", "jobs/b/",
		"jobs/b/c", "jobs/b/c-", "jobs/b/d", "jobs/b/d/", "jobs/b/d/e", "jobs/b/d/e/", "jobs/c", "k", "k/", "kk", "x/y/",
	} {
		want := []string{}
		for _, name := range ordered {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		require.Equal(t, want, names(t, objects, prefix), "List(%q)", prefix)
	}
	for _, o := range list(t, objects, "") {
		require.EqualValues(t, len(o.Name), o.Size, o.Name)
	}
}

// concurrently calls do for each element from several goroutines. It returns the joined errors.
func concurrently[E any](elements []E, do func(E) error) error {
	const goroutines = 16
	failed := make([]error, len(elements))
	var all sync.WaitGroup
	for first := range min(goroutines, len(elements)) {
		all.Go(func() {
			for i := first; i < len(elements); i += goroutines {
				failed[i] = do(elements[i])
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// manyNames exceeds 1,000, the size of a page of S3 and the maximum of its removal in one
// request.
const manyNames = 1100

func manyObjects(t *testing.T, h *harness) {
	objects := h.fresh(t)
	var want []string
	for i := range manyNames {
		want = append(want, fmt.Sprintf("job/chk-%d/%d-op-%d", i%3+1, i%7, i))
	}
	require.NoError(t, concurrently(want, func(name string) error {
		return tryPut(t.Context(), objects, name, []byte(name[len(name)-1:]))
	}))
	put(t, objects, "other/a", nil)
	slices.Sort(want)
	require.Equal(t, want, names(t, objects, "job/"))
	require.Len(t, names(t, objects, "job/chk-1/"), (manyNames+2)/3)
	for _, o := range list(t, objects, "job/") {
		require.EqualValues(t, 1, o.Size, o.Name)
	}
	removeEach(t, objects, want...)
	requireOnly(t, objects, "other/a")
}

func removeOne(t *testing.T, h *harness) {
	root := h.root()
	objects := h.open(t, root)
	put(t, objects, "job/a/x", []byte("1"))
	put(t, objects, "job/a/xy", []byte("2"))
	for _, name := range []string{"job/a/x", "job/a/x", "job/none/x", "job/a/xy/z", "job/a/y"} {
		require.NoError(t, objects.Remove(t.Context(), name), "%q", name)
	}
	requireOnly(t, objects, "job/a/xy")
	requireOnly(t, h.open(t, root), "job/a/xy")
	put(t, objects, "job/a/x", []byte("again"))
	requireContent(t, objects, "job/a/x", []byte("again"))
	require.NoError(t, objects.Remove(t.Context(), "job/a/x"))
	require.NoError(t, objects.Remove(t.Context(), "job/a/xy"))
	requireOnly(t, objects)
}

func removeAll(t *testing.T, h *harness) {
	objects := h.fresh(t)
	for _, name := range []string{"job/a", "job/b", "job/b-", "job/c/d", "k"} {
		put(t, objects, name, []byte("text"))
	}
	removeEach(t, objects)
	removeEach(t, objects, "job/b", "job/missing", "none/x", "job/c/d", "job/a/below")
	requireOnly(t, objects, "job/a", "job/b-", "k")
	removeEach(t, objects, "job/a", "job/b-", "k")
	requireOnly(t, objects)
}

// unfinishedSizes are contents of unfinished objects: one that fits into any buffer, and one of
// which a store has already uploaded parts.
var unfinishedSizes = []int{0, 10, severalParts}

func unfinishedIsListed(t *testing.T, h *harness) {
	root := h.root()
	objects := h.open(t, root)
	put(t, objects, "job/chk-1/finished", nil)
	created := make(map[string]bool)
	for i, size := range unfinishedSizes {
		name := fmt.Sprintf("job/chk-%d/a", i+1)
		file := create(t, objects, name, content(size, 8))
		defer func() { _ = file.Abort() }()
		created[name] = true
	}
	for _, store := range []checkpoint.Objects{objects, h.open(t, root)} {
		require.Equal(t, []string{"job/chk-1/finished"}, names(t, store, ""))
		for _, o := range unfinished(t, store, "") {
			require.True(t, created[o.Of], "unfinished object of %q", o.Of)
			require.NotEmpty(t, o.Name)
		}
		require.Len(t, unfinished(t, store, "job/chk-3/"), len(unfinished(t, store, "job/chk-3/a")))
		require.Empty(t, unfinished(t, store, "job/chk-3/b"))
		require.Empty(t, unfinished(t, store, "other/"))
	}
}

// The writer of an object that was removed while unfinished must not commit a part of it.
func removeUnfinished(t *testing.T, h *harness) {
	root := h.root()
	writing := h.open(t, root)
	objects := h.open(t, root)
	put(t, objects, "job/chk-1/a-", []byte("kept"))
	for _, size := range unfinishedSizes {
		data := content(size, 9)
		var left []string
		one, two := create(t, writing, "job/chk-1/a", data), create(t, writing, "job/chk-1/a", data)
		for _, o := range unfinished(t, objects, "job/chk-1/a") {
			left = append(left, o.Name)
		}
		for _, name := range left {
			require.NoError(t, objects.Remove(t.Context(), name))
			require.NoError(t, objects.Remove(t.Context(), name), "a second Remove")
		}
		removeEach(t, objects, left...)
		requireOnly(t, objects, "job/chk-1/a-")
		if one.Commit() == nil {
			requireContent(t, objects, "job/chk-1/a", data)
			require.NoError(t, objects.Remove(t.Context(), "job/chk-1/a"))
		}
		_, _ = one.Abort(), two.Abort() // what they would remove may be gone
		requireOnly(t, h.open(t, root), "job/chk-1/a-")
	}
}
