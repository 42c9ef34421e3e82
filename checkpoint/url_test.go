package checkpoint

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFileURLNamesADirectory(t *testing.T) {
	ctx := context.Background()
	dir := filepath.ToSlash(t.TempDir()) + "/with space/b"
	path := strings.ReplaceAll(dir, " ", "%20")
	if !strings.HasPrefix(path, "/") { // Windows
		path = "/" + path
	}
	first, err := OpenObjects(ctx, "file://"+path)
	require.NoError(t, err)
	putObject(t, first, "job/a", "text")
	second, err := OpenObjects(ctx, "file://localhost"+path+"/")
	require.NoError(t, err)
	require.Equal(t, "text", getObject(t, second, "job/a"))
	require.FileExists(t, dir+"/job/a")
}

func TestURLThatNamesNoStorageIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, u := range []string{
		"", "/tmp/x", "file", "file:", "file:x", "file:x/y", "file:/x", "file://", "file://x", "file://host/x", "file://localhost",
		"file://localhost:80/x", "file:///x#fragment", "file:///x#", "file:///x?", "file:///x?mode=0700", "file:///x%00y", "file:///%zz",
		"s3://bucket/x", "FILE2:///x", "://", "file:///x?a=%zz", "file:///x?a;b", "fi le:///x",
	} {
		_, err := OpenObjects(context.Background(), u)
		require.ErrorIs(t, err, ErrURL, "%q", u)
		_, err = OpenStorage(context.Background(), u, StorageOptions{})
		require.ErrorIs(t, err, ErrURL, "%q", u)
	}
	for scheme, path := range map[string]string{"s3": "s3store", "hdfs": "hdfsstore"} {
		_, err := OpenObjects(context.Background(), scheme+"://CANARY/x")
		require.ErrorContains(t, err, `import _ "github.com/weirstate/weir/checkpoint/`+path+`"`)
		require.NotContains(t, err.Error(), "CANARY")
	}
	_, err := OpenCompleted("zk://CANARY/x")
	require.ErrorIs(t, err, ErrURL)
	require.ErrorContains(t, err, `import _ "github.com/weirstate/weir/checkpoint/zkstore"`)
	require.NotContains(t, err.Error(), "CANARY")
	_, err = OpenObjects(context.Background(), "gopher://x")
	require.ErrorContains(t, err, "want one of file")
	_, err = OpenObjects(context.Background(), "file:x")
	require.ErrorContains(t, err, "file:///")
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, left)
}

// A function that opens URLs need not refuse fragments.
func TestFragmentIsRefusedForEveryScheme(t *testing.T) {
	require.NoError(t, Register("careless", func(context.Context, *url.URL) (Objects, error) { return nil, nil }))
	require.NoError(t, RegisterCompleted("careless", func(*url.URL) (CompletedOpener, error) { return nil, nil }))
	_, err := OpenObjects(context.Background(), "careless://host/x#CANARY")
	require.ErrorIs(t, err, ErrURL)
	require.NotContains(t, err.Error(), "CANARY")
	_, err = OpenCompleted("careless://host/x#CANARY")
	require.ErrorIs(t, err, ErrURL)
	require.NotContains(t, err.Error(), "CANARY")
}

func TestRegisteredSchemeIsOpened(t *testing.T) {
	ctx := context.Background()
	want := newMemoryObjects(&memoryBudget{})
	open := func(_ context.Context, u *url.URL) (Objects, error) {
		require.Equal(t, "bucket", u.Host)
		require.Equal(t, "eu", u.Query().Get("region"))
		return want, nil
	}
	require.NoError(t, Register("registered", open))
	got, err := OpenObjects(ctx, "registered://bucket/x?region=eu")
	require.NoError(t, err)
	require.Same(t, want, got)
	for _, scheme := range []string{"registered", "file", "", "Upper", "a b", "1a", "a/b"} {
		require.ErrorIs(t, Register(scheme, open), ErrURL, scheme)
	}
	require.ErrorIs(t, Register("none", nil), ErrURL)
}
