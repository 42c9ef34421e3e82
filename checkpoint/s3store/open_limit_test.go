package s3store

import (
	"context"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// A server that accepts connections and answers nothing must not hold Open for all attempts.
func TestOpenEndsWithItsTimeout(t *testing.T) {
	server := newServer(t)
	over := make(chan struct{})
	defer close(over)
	for _, last := range []string{"GetObject", "PutObject", "UploadPart"} { // the requests before it are answered
		server.intercept(func(w http.ResponseWriter, r *http.Request) {
			if operationOf(r) == last {
				<-over
				return
			}
			server.objects.ServeHTTP(w, r)
		})
		o := server.options()
		o.StallTimeout, o.OpenTimeout = time.Hour, 100*time.Millisecond
		_, err := Open(t.Context(), "bucket", "p-"+last, o)
		require.ErrorIs(t, err, ErrUnavailable, last)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "the context of the caller has not ended")
		for _, text := range []string{server.Listener.Addr().String(), "100ms", "open-timeout", "4 attempts", "retries", "1h0m0s", "stall-timeout"} {
			require.ErrorContains(t, err, text)
		}
	}
}

func TestOpenTimeoutNamesTheLastFailure(t *testing.T) {
	server := newServer(t)
	server.intercept(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusServiceUnavailable, "SlowDown") })
	o := server.options()
	o.Retries, o.maxBackoff, o.OpenTimeout = 100, time.Hour, 300*time.Millisecond
	_, err := Open(t.Context(), "bucket", "p", o)
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "open-timeout")
	require.ErrorContains(t, err, "SlowDown, status 503")
}

func TestOpenTimeoutDoesNotLimitTheStore(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.OpenTimeout = 20 * time.Second
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	put(t, s, "job/a", []byte("text"))
	require.Equal(t, "text", string(read(t, s, "job/a")), "the context of Open has ended")
}

func TestOpenEndsWithTheContextOfTheCaller(t *testing.T) {
	server := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	defer close(over)
	server.intercept(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-over
	})
	_, err := Open(ctx, "bucket", "p", server.options())
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrUnavailable)
}

func TestRegionThatIsMissingOrWrong(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/missing")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for query, want := range map[string]string{
		"":                     "no region: add region=... to the URL or set AWS_REGION",
		"?region=eu%20central": "the region or the endpoint is not valid",
	} {
		_, err := checkpoint.OpenObjects(t.Context(), "s3://bucket/p"+query)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption, query)
		require.NotErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, want)
	}
}

func TestEndpointThatIsNotS3IsNamed(t *testing.T) {
	server := newServer(t)
	server.intercept(func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	_, err := Open(t.Context(), "bucket", "p", server.options())
	require.ErrorIs(t, err, ErrBucket)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "or the endpoint is not S3")
	u, failed := url.Parse(server.URL)
	require.NoError(t, failed)
	require.ErrorContains(t, err, "the endpoint "+u.Host+": ")
}

func TestRefusedCredentialsAreNamedAsTheReason(t *testing.T) {
	server := newServer(t)
	for code, credentials := range map[string]bool{"XAdminUserNotFound": true, "SignatureDoesNotMatch": true, "AccessDenied": false} {
		server.intercept(func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusForbidden, code) })
		_, err := Open(t.Context(), "bucket", "p", server.options())
		require.ErrorIs(t, err, fs.ErrPermission)
		require.Equal(t, credentials, strings.Contains(err.Error(), "check the credentials"), "%v", err)
	}
}
