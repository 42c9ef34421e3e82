package s3store

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

func TestOpenCostsTwoRequestsOncePrefixIsKnown(t *testing.T) {
	server := newServer(t)
	server.open(t, "p")
	require.Len(t, server.operations(), 9)
	server.open(t, "p")
	require.Equal(t, []string{"GetObject", "PutObject"}, server.operations())
	o := server.options()
	o.SingleWriter = true
	_, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	require.Equal(t, []string{"GetObject"}, server.operations())
	uploads, err := server.open(t, "p").listUploads(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, uploads)
}

// ignoring makes a server ignore If-None-Match for the operations that match.
func (s *server) ignoring(match func(operation string) bool) {
	s.intercept(func(w http.ResponseWriter, r *http.Request) {
		if match(operationOf(r)) {
			r.Header.Del("If-None-Match")
		}
		s.objects.ServeHTTP(w, r)
	})
}

func TestServerThatIgnoresTheConditionIsRefused(t *testing.T) {
	for _, operation := range []string{"PutObject", "CompleteMultipartUpload"} {
		server := newServer(t)
		server.ignoring(func(o string) bool { return o == operation })
		for range 2 { // the first attempt leaves the settings
			_, err := Open(t.Context(), "bucket", "p", server.options())
			require.ErrorIs(t, err, ErrConditional, operation)
			require.ErrorContains(t, err, "single-writer=true")
			require.ErrorContains(t, err, "s3://bucket/p")
		}
		o := server.options()
		o.SingleWriter = true
		s, err := Open(t.Context(), "bucket", "p", o)
		require.NoError(t, err)
		put(t, s, "job/a", []byte("first"))
		require.ErrorIs(t, tryPut(t.Context(), s, "job/a", []byte("second")), fs.ErrExist)
		require.Equal(t, "first", string(read(t, s, "job/a")))
	}
}

func TestServerThatDoesNotKnowTheConditionIsRefused(t *testing.T) {
	for _, operation := range []string{"PutObject", "CompleteMultipartUpload"} {
		server := newServer(t)
		server.intercept(func(w http.ResponseWriter, r *http.Request) {
			if operationOf(r) == operation && r.Header.Get("If-None-Match") != "" {
				refuse(w, http.StatusNotImplemented, "NotImplemented")
				return
			}
			server.objects.ServeHTTP(w, r)
		})
		_, err := Open(t.Context(), "bucket", "p", server.options())
		require.ErrorIs(t, err, ErrConditional, operation)
	}
}

// The bucket may be copied to another server, so later opens test again.
func TestConditionIsTestedAtEachOpen(t *testing.T) {
	server := newServer(t)
	server.open(t, "p")
	server.ignoring(func(o string) bool { return o == "PutObject" })
	_, err := Open(t.Context(), "bucket", "p", server.options())
	require.ErrorIs(t, err, ErrConditional)
}

func TestEntropyOfAPrefixIsFixed(t *testing.T) {
	for _, single := range []bool{false, true} {
		server := newServer(t)
		with := func(entropy int) (*Store, error) {
			o := server.options()
			o.Entropy, o.SingleWriter = entropy, single
			return Open(t.Context(), "bucket", "p", o)
		}
		s, err := with(1)
		require.NoError(t, err)
		put(t, s, "job/chk-1/1-op-0", []byte("data"))
		_, err = with(2)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
		s, err = with(0) // that of the prefix
		require.NoError(t, err)
		require.Equal(t, "data", string(read(t, s, "job/chk-1/1-op-0")))
	}
}

// The server completes the upload that tests it, and so replaces the settings.
func TestRefusedServerKeepsTheEntropyOfAPrefix(t *testing.T) {
	server := newServer(t)
	server.ignoring(func(o string) bool { return o == "CompleteMultipartUpload" })
	o := server.options()
	o.Entropy, o.SingleWriter = 1, true
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	put(t, s, "job/chk-1/1-op-0", []byte("data"))
	_, err = Open(t.Context(), "bucket", "p", server.options())
	require.ErrorIs(t, err, ErrConditional)
	o.Entropy = 0 // that of the prefix
	s, err = Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	require.Equal(t, "data", string(read(t, s, "job/chk-1/1-op-0")))
}

func TestEmptyAnswerToTheTestOfAServerIsAnError(t *testing.T) {
	for _, operation := range []string{"CreateMultipartUpload", "CompleteMultipartUpload"} {
		server := newServer(t)
		server.on(operation, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			emptyAnswer(w)
			return true
		})
		_, err := Open(t.Context(), "bucket", "p", server.options())
		require.ErrorIs(t, err, ErrUnavailable, operation)
	}
}

func TestUnreadableSettingsAreAnError(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	for _, content := range []string{"", "weir s3 2\nentropy 0\n", "weir s3 1\nentropy 9\n", "weir s3 1\nentropy 0\nmore\n", strings.Repeat("x", 1<<20)} {
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: s.settingsKey(), Body: strings.NewReader(content)})
		require.NoError(t, err)
		_, err = Open(t.Context(), "bucket", "p", server.options())
		require.ErrorIs(t, err, ErrSettings, "%.30q", content)
	}
}

func TestMissingBucketIsNotAMissingObject(t *testing.T) {
	server := newServer(t)
	for _, single := range []bool{false, true} {
		o := server.options()
		o.SingleWriter = single
		_, err := Open(t.Context(), "missing", "p", o)
		require.ErrorIs(t, err, ErrBucket)
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
	s := server.open(t, "p")
	s.bucket = "missing" // as if it was removed
	_, err := s.Open(t.Context(), "job/a")
	require.ErrorIs(t, err, ErrBucket)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	_, err = s.List(t.Context(), "")
	require.ErrorIs(t, err, ErrBucket)
	require.ErrorIs(t, tryPut(t.Context(), s, "job/a", nil), ErrBucket)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	server := newServer(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	server.on("CompleteMultipartUpload", func(int, http.ResponseWriter, *http.Request) bool {
		cancel(errStop)
		return false
	})
	_, err := Open(ctx, "bucket", "p", server.options())
	require.ErrorIs(t, err, errStop)
	server.intercept(nil)
	s := server.open(t, "q")
	uploads, err := s.listUploads(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, uploads)
}

var errStop = errors.New("stop")

func FuzzSettings(f *testing.F) {
	f.Add([]byte("weir s3 1\nentropy 0\n"))
	f.Add([]byte("weir s3 1\nentropy 2\nmultipart tested\n"))
	f.Add([]byte("weir s3 1\nentropy 02\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := decodeSettings(b); err == nil {
			require.Equal(t, b, got.encode())
		} else {
			require.ErrorIs(t, err, ErrSettings)
		}
	})
}
