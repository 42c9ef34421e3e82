package s3store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// requireClean fails the test if the text of an error contains a credential or the text of a
// message of the server, or does not name the URL of an object.
func requireClean(t testing.TB, err error) {
	t.Helper()
	for _, secret := range []string{canarySecret, canaryID, "Signature=", "Credential=", "AWS4", "X-Amz", "message of the server"} {
		require.NotContains(t, err.Error(), secret)
	}
	require.Regexp(t, `s3://bucket/[-a-z0-9/_.]+: `, err.Error())
	require.NotContains(t, err.Error(), "?")
}

func TestAnswersOfTheServerHaveTypedErrors(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{404, "NoSuchKey", fs.ErrNotExist},
		{404, "NoSuchBucket", ErrBucket},
		{404, "NotFound", ErrBucket},
		{301, "PermanentRedirect", ErrBucket},
		{400, "AuthorizationHeaderMalformed", ErrBucket},
		{403, "AccessDenied", fs.ErrPermission},
		{403, "InvalidAccessKeyId", fs.ErrPermission},
		{403, "SignatureDoesNotMatch", fs.ErrPermission},
		{400, "ExpiredToken", fs.ErrPermission},
		{403, "Other", fs.ErrPermission},
		{401, "Unauthorized", fs.ErrPermission},
		{403, "RequestTimeTooSkewed", ErrClock},
		{400, "EntityTooLarge", syscall.ENOSPC},
		{403, "QuotaExceeded", syscall.ENOSPC},
		{507, "XMinioStorageFull", syscall.ENOSPC},
		{507, "Other", syscall.ENOSPC},
		{400, "BadDigest", ErrChecksum},
		{500, "InternalError", ErrUnavailable},
		{503, "SlowDown", ErrUnavailable},
		{429, "Other", ErrUnavailable},
	} {
		server.intercept(func(w http.ResponseWriter, _ *http.Request) { refuse(w, c.status, c.code) })
		_, listed := s.List(t.Context(), "job/a")
		_, opened := s.Open(t.Context(), "job/a")
		for _, err := range []error{listed, opened, tryPut(t.Context(), s, "job/a", nil), s.Remove(t.Context(), "job/a")} {
			want := c.want
			if want == fs.ErrNotExist && err == nil { // Remove
				continue
			}
			if want == fs.ErrNotExist && err != opened { // a list or a write of no object
				want = ErrBucket
			}
			require.ErrorIs(t, err, want, c.code)
			require.ErrorContains(t, err, c.code)
			requireClean(t, err)
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			require.Equal(t, "s3://bucket/p/job/a", path.Path)
			var answer smithy.APIError
			require.ErrorAs(t, err, &answer, "the error of the SDK is available")
			for _, other := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.ENOSPC, ErrClock, ErrBucket} {
				require.Equal(t, want == other, errors.Is(err, other), "%s is %v", c.code, other)
			}
		}
	}
}

func TestAnswersThatAreNotS3(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	for status, want := range map[int]error{404: ErrBucket, 403: fs.ErrPermission, 502: ErrUnavailable, 200: nil, 204: nil, 302: nil} {
		server.intercept(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if status != 204 {
				_, _ = io.WriteString(w, "<html>"+canarySecret+"</html>")
			}
		})
		_, err := s.List(t.Context(), "job/")
		require.Error(t, err, "status %d", status)
		requireClean(t, err)
		if want != nil {
			require.ErrorIs(t, err, want)
		}
		_, err = s.Open(t.Context(), "job/a")
		require.NotErrorIs(t, err, fs.ErrNotExist)
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	server.Close()
	for _, err := range []error{tryPut(t.Context(), s, "job/a", nil), s.Remove(t.Context(), "job/a")} {
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		requireClean(t, err)
	}
}

// A file that the HTTP client misses must not make a checkpoint count as lost.
func TestMissingFileOfTheClientIsNotAMissingObject(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.Config = &aws.Config{
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: canaryID, SecretAccessKey: canarySecret}, nil
		}),
		HTTPClient: missingFile{},
	}
	_, err := Open(t.Context(), "bucket", "p", o)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

// missingFile is an HTTP client that misses a file.
type missingFile struct{}

func (missingFile) Do(*http.Request) (*http.Response, error) {
	return nil, &fs.PathError{Op: "open", Path: "certificates", Err: syscall.ENOENT}
}

func TestMissingCredentials(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.Config = &aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("nothing in the chain")
	})}
	_, err := Open(t.Context(), "bucket", "p", o)
	require.ErrorIs(t, err, ErrCredentials)
	require.NotErrorIs(t, err, ErrUnavailable)
	requireClean(t, err)
}

// Servers that hang in each phase of a request are given up, and a later attempt succeeds.
func TestServerThatHangsIsGivenUp(t *testing.T) {
	for name, hang := range map[string]func(w http.ResponseWriter, r *http.Request){
		"before it reads":   func(http.ResponseWriter, *http.Request) {},
		"before it answers": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
		"in its answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(make([]byte, 10))
			_ = http.NewResponseController(w).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			o := server.options()
			o.StallTimeout, o.PartBytes = 200*time.Millisecond, minPartBytes
			s, err := Open(t.Context(), "bucket", "p", o)
			require.NoError(t, err)
			over := make(chan struct{})
			defer close(over)
			server.intercept(func(w http.ResponseWriter, r *http.Request) {
				hang(w, r)
				<-over
			})
			_, err = s.Open(t.Context(), "job/a")
			require.ErrorIs(t, err, ErrUnavailable)
			err = tryPut(t.Context(), s, "job/a", content(4<<20))
			require.ErrorIs(t, err, ErrUnavailable)
			requireClean(t, err)
			server.intercept(nil)
			put(t, s, "job/b", content(4<<20))
		})
	}
}
