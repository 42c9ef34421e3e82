package blobstore_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"

	_ "example.org/outside/blobstore"
)

// server keeps objects in memory, by path.
type server struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, found := s.objects[r.URL.Path]
	switch {
	case r.Method == "LIST":
		_ = json.NewEncoder(w).Encode(s.list(r.URL.Path))
	case r.Method == http.MethodDelete:
		delete(s.objects, r.URL.Path)
	case r.Method == http.MethodPut && found:
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Method == http.MethodPut:
		s.objects[r.URL.Path] = body
	case !found:
		w.WriteHeader(http.StatusNotFound)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// list returns the objects whose path begins with path. Their names are without the folder.
func (s *server) list(path string) (objects []checkpoint.ObjectInfo) {
	folder := path[:strings.Index(path[1:], "/")+2]
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(name, path) {
			objects = append(objects, checkpoint.ObjectInfo{Name: strings.TrimPrefix(name, folder), Size: int64(len(s.objects[name]))})
		}
	}
	return objects
}

// start starts a server and returns the URL of the store on it.
func start(t *testing.T) string {
	s := httptest.NewServer(&server{objects: make(map[string][]byte)})
	t.Cleanup(s.Close)
	return "blob" + strings.TrimPrefix(s.URL, "http") + "/"
}

func TestBlobStoreConforms(t *testing.T) {
	url := start(t)
	storagetest.Run(t, func(t testing.TB, root string) checkpoint.Objects {
		objects, err := checkpoint.OpenObjects(t.Context(), url+root)
		require.NoError(t, err)
		return objects
	})
}

func TestURLsHaveNoSecrets(t *testing.T) {
	storagetest.RunURL(t, start(t)+"checkpoints", func(rawURL string) error {
		_, err := checkpoint.OpenObjects(t.Context(), rawURL)
		return err
	})
}

func TestPresetsTakeTheURL(t *testing.T) {
	preset, err := weir.Open(t.Context(), "fs+"+start(t)+"checkpoints")
	require.NoError(t, err)
	require.NoError(t, preset.Close())
}

func TestStoreHasAtMost100LinesOfCode(t *testing.T) {
	source, err := os.ReadFile("store.go")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(source), "\n)\n") // the end of the imports
	require.True(t, found)
	lines := 0
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	require.LessOrEqual(t, lines, 100)
}
