package s3store

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
)

// canarySecret is the secret key of the tests. No error may contain it.
const canarySecret = "canarySecretKey0123456789"

// canaryID is the access key of the tests. No error may contain it.
const canaryID = "CANARYACCESSKEY"

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": canaryID, "AWS_SECRET_ACCESS_KEY": canarySecret, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_CA_BUNDLE": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// server is an S3 server in this process, with the buckets "bucket" and "other".
type server struct {
	*httptest.Server
	objects http.Handler // the server without faults

	mu       sync.Mutex
	requests []string // the operations since the last call of operations
	// middle handles requests instead of objects, if it is set.
	middle func(w http.ResponseWriter, r *http.Request)
	// write makes the check of If-None-Match and the write one step. The fake server ignores
	// the header when a multipart upload is completed.
	write sync.Mutex
}

// newServer starts a server that stops with the test.
func newServer(t testing.TB) *server {
	backend := s3mem.New()
	for _, bucket := range []string{"bucket", "other"} {
		require.NoError(t, backend.CreateBucket(bucket))
	}
	s := &server{}
	fake := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog()), gofakes3.WithIntegrityCheck(true)).Server()
	s.objects = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.conditional(fake, w, r) })
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, operationOf(r))
		middle := s.middle
		s.mu.Unlock()
		if middle != nil {
			middle(w, r)
		} else {
			s.objects.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// operationOf returns the name of the operation that a request asks for.
func operationOf(r *http.Request) string {
	q := r.URL.Query()
	switch r.Method {
	case http.MethodHead:
		return "HeadObject"
	case http.MethodPut:
		if q.Has("partNumber") {
			return "UploadPart"
		}
		return "PutObject"
	case http.MethodPost:
		switch {
		case q.Has("uploads"):
			return "CreateMultipartUpload"
		case q.Has("delete"):
			return "DeleteObjects"
		}
		return "CompleteMultipartUpload"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	}
	switch {
	case q.Has("list-type"):
		return "ListObjectsV2"
	case q.Has("uploads"):
		return "ListMultipartUploads"
	case q.Has("uploadId"):
		return "ListParts"
	}
	return "GetObject"
}

// operations returns the operations since the last call.
func (s *server) operations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

// conditional serves a request, one conditional write at a time.
func (s *server) conditional(fake http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("If-None-Match") != "*" {
		fake.ServeHTTP(w, r)
		return
	}
	s.write.Lock()
	defer s.write.Unlock()
	if r.Method == http.MethodPost {
		head := httptest.NewRequest(http.MethodHead, r.URL.Path, nil)
		answer := httptest.NewRecorder()
		fake.ServeHTTP(answer, head)
		if answer.Code == http.StatusOK {
			_, _ = io.Copy(io.Discard, r.Body)
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
	}
	fake.ServeHTTP(w, r)
}

// refuse answers a request with an error.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><Message>`+
		canarySecret+` in a message of the server</Message></Error>`)
}

// readBody reads the body of a request into memory. A server that answers before it has read a large
// body closes the connection, and the client may then see that instead of the answer.
func readBody(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failingReader{err}))
}

// failingReader returns its error, or the end of the file if it has none.
type failingReader struct{ err error }

// Read implements io.Reader.
func (f failingReader) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }

// on makes handle serve the requests for an operation. n counts them from 1. If handle returns
// false, the server without faults serves the request.
func (s *server) on(operation string, handle func(n int, w http.ResponseWriter, r *http.Request) bool) {
	var count atomic.Int64
	s.intercept(func(w http.ResponseWriter, r *http.Request) {
		if operationOf(r) == operation {
			readBody(r)
		}
		if operationOf(r) != operation || !handle(int(count.Add(1)), w, r) {
			s.objects.ServeHTTP(w, r)
		}
	})
}

// cutConnection closes the connection of a request without an answer.
func cutConnection() { panic(http.ErrAbortHandler) }

// intercept makes handle serve all requests from now on; nil removes it.
func (s *server) intercept(handle func(w http.ResponseWriter, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.middle = handle
}

// options returns options for the server, with short pauses between attempts.
func (s *server) options() Options {
	return Options{Endpoint: s.URL, PathStyle: true, Retries: 3, maxBackoff: time.Millisecond, StallTimeout: 20 * time.Second}
}

// open opens a prefix of the bucket.
func (s *server) open(t testing.TB, prefix string) *Store {
	store, err := Open(t.Context(), "bucket", prefix, s.options())
	require.NoError(t, err)
	return store
}

// address returns the URL of a prefix of the bucket.
func (s *server) address(prefix, query string) string {
	return "s3://bucket/" + prefix + "?path-style=true&endpoint=" + url.QueryEscape(s.URL) + query
}

// put writes an object.
func put(t testing.TB, s checkpoint.Objects, name string, content []byte) {
	t.Helper()
	require.NoError(t, tryPut(t.Context(), s, name, content))
}

// tryPut writes an object and returns the first error.
func tryPut(ctx context.Context, s checkpoint.Objects, name string, content []byte) error {
	f, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Commit()
	}
	if aborted := f.Abort(); err == nil {
		err = aborted
	}
	return err
}

// read returns the content of an object.
func read(t testing.TB, s checkpoint.Objects, name string) []byte {
	t.Helper()
	b, err := tryRead(t.Context(), s, name)
	require.NoError(t, err)
	return b
}

// tryRead reads an object in small pieces and returns the first error.
func tryRead(ctx context.Context, s checkpoint.Objects, name string) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	size, err := o.Size()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(o, 0, size))
}
