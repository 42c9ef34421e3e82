package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// content returns n random bytes, the same for the same seed.
func content(n int, seed uint64) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	b := make([]byte, n)
	_, _ = random.Read(b) // always nil
	return b
}

// create begins an object and writes its content.
func create(t testing.TB, objects checkpoint.Objects, name string, data []byte) snapshot.File {
	t.Helper()
	file, err := objects.Create(t.Context(), name)
	require.NoError(t, err)
	if len(data) > 0 {
		n, err := file.Write(data)
		require.NoError(t, err)
		require.Equal(t, len(data), n)
	}
	return file
}

// put creates an object.
func put(t testing.TB, objects checkpoint.Objects, name string, data []byte) {
	t.Helper()
	require.NoError(t, create(t, objects, name, data).Commit())
}

// tryPut creates an object, or returns the first error of Create, Write and Commit.
func tryPut(ctx context.Context, objects checkpoint.Objects, name string, data []byte) error {
	file, err := objects.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Commit()
	}
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	return nil
}

// open opens an object until the end of the test.
func open(t testing.TB, objects checkpoint.Objects, name string) snapshot.Object {
	t.Helper()
	object, err := objects.Open(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = object.Close() })
	return object
}

// tryGet returns the content of an object.
func tryGet(ctx context.Context, objects checkpoint.Objects, name string) (data []byte, err error) {
	object, err := objects.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	size, err := object.Size()
	if err != nil {
		return nil, err
	}
	data = make([]byte, size)
	_, err = io.ReadFull(io.NewSectionReader(object, 0, size), data)
	return data, err
}

// requireContent fails the test unless an object has the content.
func requireContent(t testing.TB, objects checkpoint.Objects, name string, want []byte) {
	t.Helper()
	got, err := tryGet(t.Context(), objects, name)
	require.NoError(t, err)
	requireSame(t, want, got, name)
}

// requireSame fails the test unless both have the same bytes. Unlike require.Equal, it does not
// print megabytes.
func requireSame(t testing.TB, want, got []byte, name string) {
	t.Helper()
	require.Len(t, got, len(want), "size of %s", name)
	require.True(t, bytes.Equal(want, got), "%s has another content", name)
}

// list returns the complete objects with a prefix. It fails the test if they are out of order,
// or if something else has the name of an object.
func list(t testing.TB, objects checkpoint.Objects, prefix string) (complete []checkpoint.ObjectInfo) {
	t.Helper()
	listed, err := objects.List(t.Context(), prefix)
	require.NoError(t, err)
	for i, o := range listed {
		if i > 0 {
			require.Less(t, listed[i-1].Name, o.Name, "order of List(%q)", prefix)
		}
		switch {
		case o.Unfinished:
		case errors.Is(o.Irregular, syscall.EISDIR): // a store in directories may return them
		default:
			require.NoError(t, o.Irregular, o.Name)
			require.Empty(t, o.Of, o.Name)
			require.True(t, strings.HasPrefix(o.Name, prefix), "List(%q) returned %q", prefix, o.Name)
			complete = append(complete, o)
		}
	}
	return complete
}

// names returns the names of the complete objects with a prefix.
func names(t testing.TB, objects checkpoint.Objects, prefix string) []string {
	t.Helper()
	names := []string{}
	for _, o := range list(t, objects, prefix) {
		names = append(names, o.Name)
	}
	return names
}

// unfinished returns the unfinished objects with a prefix, from both methods that may list them.
func unfinished(t testing.TB, objects checkpoint.Objects, prefix string) (found []checkpoint.ObjectInfo) {
	t.Helper()
	listed, err := objects.List(t.Context(), prefix)
	require.NoError(t, err)
	for _, o := range listed {
		if o.Unfinished {
			found = append(found, o)
		}
	}
	if lister, ok := objects.(checkpoint.UnfinishedLister); ok {
		require.Empty(t, found, "List returned unfinished objects, which ListUnfinished returns")
		found, err = lister.ListUnfinished(t.Context(), prefix)
		require.NoError(t, err)
		for i, o := range found {
			require.True(t, o.Unfinished, o.Name)
			require.True(t, i == 0 || found[i-1].Of <= o.Of, "order of ListUnfinished(%q)", prefix)
		}
	}
	for _, o := range found {
		require.True(t, strings.HasPrefix(o.Of, prefix), "%q is listed with the prefix %q", o.Of, prefix)
	}
	return found
}

// requireOnly fails the test unless the store has exactly the named objects, and nothing
// unfinished. The names are in order.
func requireOnly(t testing.TB, objects checkpoint.Objects, want ...string) {
	t.Helper()
	require.Equal(t, append([]string{}, want...), names(t, objects, ""))
	require.Empty(t, unfinished(t, objects, ""), "unfinished objects")
}

// removeEach removes objects, with few requests if the store can.
func removeEach(t testing.TB, objects checkpoint.Objects, names ...string) {
	t.Helper()
	if batch, ok := objects.(checkpoint.BatchRemover); ok {
		require.NoError(t, batch.RemoveAll(t.Context(), names))
		return
	}
	require.NoError(t, concurrently(names, func(name string) error { return objects.Remove(t.Context(), name) }))
}
