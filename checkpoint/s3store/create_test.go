package s3store

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// content returns n pseudo-random bytes.
func content(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = source.Read(b)
	return b
}

// count returns how often an element is in a list.
func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

func TestObjectUpToAPartIsOneRequest(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	for size, want := range map[int][]string{
		0:                {"PutObject"},
		1:                {"PutObject"},
		minPartBytes:     {"PutObject"},
		minPartBytes + 1: {"CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPart"},
		3 * minPartBytes: {"CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPart", "UploadPart"},
	} {
		for _, piece := range []int{100_000, size} {
			server.operations()
			f, err := s.Create(t.Context(), "job/a")
			require.NoError(t, err)
			data := content(size)
			for p := range slices.Chunk(data, max(1, piece)) {
				n, err := f.Write(p)
				require.NoError(t, err)
				require.Len(t, p, n)
			}
			require.NoError(t, f.Commit())
			require.Equal(t, want, slices.Sorted(slices.Values(server.operations())))
			require.True(t, bytes.Equal(data, read(t, s, "job/a")), "%d bytes", size)
			require.NoError(t, s.Remove(t.Context(), "job/a"))
		}
	}
}

func TestPartsInFlightAreBounded(t *testing.T) {
	for _, limit := range []int{1, 3} {
		server := newServer(t)
		o := server.options()
		o.PartBytes, o.PartsInFlight = minPartBytes, limit
		s, err := Open(t.Context(), "bucket", "p", o)
		require.NoError(t, err)
		var now, most atomic.Int64
		full := make(chan struct{}) // closed once the limit is reached
		server.on("UploadPart", func(n int, w http.ResponseWriter, r *http.Request) bool {
			if in := now.Add(1); in > most.Load() {
				most.Store(in)
			}
			if n == limit {
				close(full)
			}
			<-full
			server.objects.ServeHTTP(w, r)
			now.Add(-1)
			return true
		})
		put(t, s, "job/a", content(8*minPartBytes))
		require.LessOrEqual(t, most.Load(), int64(limit))
		require.Len(t, read(t, s, "job/a"), 8*minPartBytes)
	}
}

// The server commits and the answer is lost: the repeated request is refused, and the token shows
// that the object is our own.
func TestLostAnswerToACommitIsRecognized(t *testing.T) {
	for operation, size := range map[string]int{"PutObject": 10, "CompleteMultipartUpload": minPartBytes + 10} {
		for _, single := range []bool{false, true} {
			server := newServer(t)
			o := server.options()
			o.PartBytes, o.SingleWriter = minPartBytes, single
			s, err := Open(t.Context(), "bucket", "p", o)
			require.NoError(t, err)
			server.on(operation, func(n int, _ http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					return false
				}
				server.objects.ServeHTTP(httptest.NewRecorder(), r)
				cutConnection()
				return true
			})
			put(t, s, "job/a", content(size))
			require.Equal(t, content(size), read(t, s, "job/a"))
			require.ErrorIs(t, tryPut(t.Context(), s, "job/a", nil), fs.ErrExist)
		}
	}
}

// Another writer commits between a request that was lost and its repetition.
func TestObjectOfAnotherWriterIsNotTakenForOurOwn(t *testing.T) {
	for operation, size := range map[string]int{"PutObject": 10, "CompleteMultipartUpload": minPartBytes + 10} {
		server := newServer(t)
		o := server.options()
		o.PartBytes = minPartBytes
		s, err := Open(t.Context(), "bucket", "p", o)
		require.NoError(t, err)
		var busy atomic.Bool
		server.intercept(func(w http.ResponseWriter, r *http.Request) {
			if operationOf(r) == operation && busy.CompareAndSwap(false, true) {
				_ = tryPut(context.WithoutCancel(r.Context()), s, "job/a", []byte("theirs"))
				cutConnection()
			}
			server.objects.ServeHTTP(w, r)
		})
		require.ErrorIs(t, tryPut(t.Context(), s, "job/a", content(size)), fs.ErrExist)
		require.Equal(t, "theirs", string(read(t, s, "job/a")))
		uploads, err := s.ListUnfinished(t.Context(), "")
		require.NoError(t, err)
		require.Empty(t, uploads)
	}
}

func TestConflictsAreRepeated(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	server.on("PutObject", func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n < 3 {
			refuse(w, http.StatusConflict, "ConditionalRequestConflict")
		}
		return n < 3
	})
	put(t, s, "job/a", []byte("a"))
}

// The quota for repetitions of the SDK would be used up: 40 requests fail twice each.
func TestBurstOfSlowDownFailsNothing(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	failures := make(map[string]int)
	server.intercept(func(w http.ResponseWriter, r *http.Request) {
		server.mu.Lock()
		failures[r.URL.Path]++
		fail := failures[r.URL.Path] <= 3
		server.mu.Unlock()
		if fail {
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return
		}
		server.objects.ServeHTTP(w, r)
	})
	for i := range 60 {
		put(t, s, "job/"+strings.Repeat("a", i+1), nil)
	}
}

// requireNoUploads fails the test if a multipart upload remains.
func requireNoUploads(t *testing.T, s *Store) {
	t.Helper()
	uploads, err := s.listUploads(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, uploads)
}

func TestCanceledUploadLeavesNothing(t *testing.T) {
	for _, operation := range []string{"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} {
		for _, committed := range []bool{false, true} {
			server := newServer(t)
			o := server.options()
			o.PartBytes = minPartBytes
			s, err := Open(t.Context(), "bucket", "p", o)
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			server.on(operation, func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if committed {
					server.objects.ServeHTTP(httptest.NewRecorder(), r)
				}
				cancel(errStop)
				_, _ = io.Copy(io.Discard, r.Body) // then the server notices that the client has gone
				<-r.Context().Done()
				return true
			})
			f, err := s.Create(ctx, "job/a")
			require.NoError(t, err)
			if _, err = f.Write(content(3 * minPartBytes)); err == nil {
				err = f.Commit()
			}
			require.ErrorIs(t, err, errStop, operation)
			require.ErrorContains(t, err, "s3://bucket/p/job/a")
			server.intercept(nil)
			require.NoError(t, f.Abort())
			require.NoError(t, f.Abort(), "a second Abort does nothing")
			requireNoUploads(t, s)
		}
	}
}

// S3 may store a part whose request was canceled after the upload was aborted.
func TestAbortIsRepeatedWhilePartsArrive(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	f, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	_, err = f.Write(content(2 * minPartBytes))
	require.NoError(t, err)
	server.on("AbortMultipartUpload", func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			w.WriteHeader(http.StatusNoContent)
		}
		return n == 1
	})
	require.NoError(t, f.Abort())
	requireNoUploads(t, s)
}

func TestFailedPartFailsTheFile(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes, o.PartsInFlight = minPartBytes, 1
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	server.on("UploadPart", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, http.StatusForbidden, "QuotaExceeded")
		return true
	})
	err = tryPut(t.Context(), s, "job/a", content(4*minPartBytes))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "s3://bucket/p/job/a")
	requireNoUploads(t, s)
}

func TestUploadThatAnotherProgramAborted(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	f, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	_, err = f.Write(content(minPartBytes + 1))
	require.NoError(t, err)
	uploads, err := s.ListUnfinished(t.Context(), "job/")
	require.NoError(t, err)
	require.Len(t, uploads, 1)
	require.Equal(t, checkpoint.ObjectInfo{Name: uploads[0].Name, Unfinished: true, Of: "job/a"}, uploads[0])
	require.NoError(t, s.RemoveAll(t.Context(), []string{uploads[0].Name}))
	require.ErrorIs(t, f.Commit(), ErrUploadGone)
	require.NoError(t, f.Abort())
	_, err = s.Open(t.Context(), "job/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestObjectWithTooManyPartsIsAnError(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	f, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	f.(*file).parts = make([]*part, maxParts)
	_, err = f.Write(content(minPartBytes + 1))
	require.ErrorIs(t, err, syscall.EFBIG)
	require.NoError(t, f.Abort())
}

// emptyAnswer answers a request with the status 200 and nothing else, as if the connection had ended
// after the status.
func emptyAnswer(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }

// The server has answered with the status 200, and not done what was asked: nothing of it may be
// taken for success, and no part may become the object.
func TestEmptyAnswersToAnUploadAreRepeated(t *testing.T) {
	for _, operation := range []string{"CreateMultipartUpload", "CompleteMultipartUpload"} {
		for _, single := range []bool{false, true} {
			server := newServer(t)
			o := server.options()
			o.PartBytes, o.SingleWriter = minPartBytes, single
			s, err := Open(t.Context(), "bucket", "p", o)
			require.NoError(t, err)
			failures := 1
			server.on(operation, func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n <= failures {
					emptyAnswer(w)
				}
				return n <= failures
			})
			data := content(2*minPartBytes + 1)
			put(t, s, "job/a", data)
			require.True(t, bytes.Equal(data, read(t, s, "job/a")), operation)
			requireNoUploads(t, s)

			server.on(operation, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				emptyAnswer(w)
				return true
			})
			err = tryPut(t.Context(), s, "job/b", data)
			require.ErrorIs(t, err, ErrUnavailable, operation)
			requireClean(t, err)
			_, err = s.Open(t.Context(), "job/b")
			require.ErrorIs(t, err, fs.ErrNotExist, operation)
			requireNoUploads(t, s)
		}
	}
}

// The first answer to CreateMultipartUpload is lost, so the server has two uploads.
func TestAbortFindsTheUploadWhoseAnswerWasLost(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	server.on("CreateMultipartUpload", func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			server.objects.ServeHTTP(httptest.NewRecorder(), r)
			cutConnection()
		}
		return false
	})
	f, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	_, err = f.Write(content(minPartBytes + 1))
	require.NoError(t, err)
	uploads, err := s.ListUnfinished(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, uploads, 2)
	require.NoError(t, f.Abort())
	requireNoUploads(t, s)
}
