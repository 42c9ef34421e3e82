package storagetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// invalid holds names that leave the root in some store, or mean another object than they say.
var invalid = []string{
	"", ".", "..", "/", "/a", "a/", "a//b", "//a", "../a", "a/..", "a/../b", "a/../../b", "a/./b", "./a", ".a", "a/.b", "a/.b/c",
	`a\b`, `a\..\b`, `C:\a`, "C:a", "a b", " a", "a ", "a\n", "a\x00", "a\x00b", "a%2fb", "%2e%2e/a", "%00", "a?b", "a#b", "a:b", "a*b", "~a",
	"a+b", "a@b", "a&b", "a=b", "a;b", `a"b`, "a'b", "<a>", "a|b", "é", "a\u2024b", "\xff", strings.Repeat("a", 201), "a/" + strings.Repeat("b", 201),
}

func invalidNames(t *testing.T, h *harness) {
	objects := h.fresh(t)
	put(t, objects, "a/b", []byte("text"))
	for _, name := range invalid {
		_, err := objects.Create(t.Context(), name)
		require.ErrorIs(t, err, snapshot.ErrName, "Create(%q)", name)
		_, err = objects.Open(t.Context(), name)
		require.ErrorIs(t, err, snapshot.ErrName, "Open(%q)", name)
		require.ErrorIs(t, objects.Remove(t.Context(), name), snapshot.ErrName, "Remove(%q)", name)
		if batch, ok := objects.(checkpoint.BatchRemover); ok {
			require.ErrorIs(t, batch.RemoveAll(t.Context(), []string{name}), snapshot.ErrName, "RemoveAll(%q)", name)
		}
		if locker, ok := objects.(checkpoint.Locker); ok {
			_, err = locker.Lock(t.Context(), name)
			require.ErrorIs(t, err, snapshot.ErrName, "Lock(%q)", name)
		}
		if name == "" || name == "a/" { // valid prefixes
			continue
		}
		_, err = objects.List(t.Context(), name)
		require.ErrorIs(t, err, snapshot.ErrName, "List(%q)", name)
		if lister, ok := objects.(checkpoint.UnfinishedLister); ok {
			_, err = lister.ListUnfinished(t.Context(), name)
			require.ErrorIs(t, err, snapshot.ErrName, "ListUnfinished(%q)", name)
		}
	}
	requireOnly(t, objects, "a/b")
	requireContent(t, objects, "a/b", []byte("text"))
}

func validNames(t *testing.T, h *harness) {
	objects := h.fresh(t)
	long := strings.Repeat("n", 200)
	want := []string{
		"-", "-a", "0", "_metadata",
		"a..b", "a.tmp", "abcdefghijklmnopqrstuvwxyz0123456789._-", "b/c/d/e/f",
		long + "/" + long + "/" + long, "q/ABCDEFGHIJKLMNOPQRSTUVWXYZ", "z",
	}
	for _, name := range want {
		put(t, objects, name, []byte(name))
	}
	requireOnly(t, objects, want...)
	for _, name := range want {
		requireContent(t, objects, name, []byte(name))
		require.Contains(t, names(t, objects, name), name)
		require.NoError(t, objects.Remove(t.Context(), name))
	}
	requireOnly(t, objects)
}

func rootsApart(t *testing.T, h *harness) {
	root := h.root()
	one, two, below := h.open(t, root), h.open(t, root+"x"), h.open(t, root+"-x")
	put(t, one, "job/a", []byte("one"))
	put(t, two, "job/a", []byte("two"))
	put(t, two, "job/b", nil)
	requireOnly(t, below)
	requireOnly(t, one, "job/a")
	require.NoError(t, one.Remove(t.Context(), "job/a"))
	require.NoError(t, one.Remove(t.Context(), "job/b"))
	requireOnly(t, one)
	requireOnly(t, two, "job/a", "job/b")
	requireContent(t, two, "job/a", []byte("two"))
}
