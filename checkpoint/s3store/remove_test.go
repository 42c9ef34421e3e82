package s3store

import (
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// putMany writes n objects and returns their names.
func putMany(t *testing.T, s *Store, n int) (names []string) {
	for i := range n {
		name := fmt.Sprintf("job/chk-1/1-op-%d", i)
		put(t, s, name, nil)
		names = append(names, name)
	}
	return names
}

func TestRemoveAllIsOneRequest(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	names := putMany(t, s, 5)
	server.operations()
	require.NoError(t, s.RemoveAll(t.Context(), names))
	require.Equal(t, []string{"DeleteObjects"}, server.operations())
	objects, err := s.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, objects)
}

func TestRemoveAllReturnsTheErrorOfEachObject(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	server.on("DeleteObjects", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		return page(w, "Delete", `<Error><Key>p/job/b</Key><Code>AccessDenied</Code><Message>canary</Message></Error>`+
			`<Error><Key>p/job/c</Key><Code>InternalError</Code></Error><Error><Key>p/job/d</Key><Code>NoSuchKey</Code></Error>`)
	})
	err := s.RemoveAll(t.Context(), []string{"job/a", "job/b", "job/c", "job/d"})
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "remove s3://bucket/p/job/b: DeleteObjects: AccessDenied: permission denied\n"+
		"remove s3://bucket/p/job/c: DeleteObjects: InternalError: the server is not available")
}

func TestServerWithoutBatchesRemovesEachObject(t *testing.T) {
	for code, status := range map[string]int{"NotImplemented": 501, "MethodNotAllowed": 405, "MissingContentMD5": 400, "InvalidRequest": 400} {
		server := newServer(t)
		s := server.open(t, "p")
		names := putMany(t, s, 3)
		server.on("DeleteObjects", func(n int, w http.ResponseWriter, _ *http.Request) bool {
			require.Equal(t, 1, n, "the answer is remembered")
			refuse(w, status, code)
			return true
		})
		require.NoError(t, s.RemoveAll(t.Context(), names[:2]), code)
		require.NoError(t, s.RemoveAll(t.Context(), append(names, "job/missing")), code)
		objects, err := s.List(t.Context(), "")
		require.NoError(t, err)
		require.Empty(t, objects)
	}
}
