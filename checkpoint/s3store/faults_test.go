package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// fault serves a request wrongly.
type fault func(objects http.Handler, w http.ResponseWriter, r *http.Request)

// faults are the faults that every request of the base workload meets.
var faults = map[string]fault{
	"500": func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusInternalServerError, "InternalError")
	},
	"503 slow down": func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
	},
	"403": func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "AccessDenied")
	},
	"clock skew": func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		refuse(w, http.StatusForbidden, "RequestTimeTooSkewed")
	},
	"reset in the middle of a body": func(objects http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
			cutConnection()
		}
		truncate(objects, w, r, true)
	},
	"answer is lost": func(objects http.Handler, _ http.ResponseWriter, r *http.Request) {
		objects.ServeHTTP(httptest.NewRecorder(), r)
		cutConnection()
	},
	"truncated answer": func(objects http.Handler, w http.ResponseWriter, r *http.Request) {
		truncate(objects, w, r, false)
	},
	"wrong checksum": func(objects http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			refuse(w, http.StatusBadRequest, "BadDigest")
			return
		}
		answer := httptest.NewRecorder()
		objects.ServeHTTP(answer, r)
		if body := answer.Body.Bytes(); len(body) > 0 && answer.Header().Get("X-Amz-Checksum-Crc32") != "" {
			body[len(body)/2] ^= 1
		}
		answered(w, answer)
	},
}

// injector makes one request of a server fail, and also its repetitions if repeated is set.
type injector struct {
	server   *server
	at       int // the number of the request, from 1; 0 for none
	repeated int // how many further requests for the same operation and key fail
	fault    fault

	mu    sync.Mutex
	count int
	same  string // the operation and key that fail
}

// ServeHTTP implements http.Handler.
func (i *injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.count++
	request := operationOf(r) + " " + r.URL.Path + r.URL.Query().Get("prefix") + r.URL.Query().Get("partNumber")
	fail := i.count == i.at
	if fail {
		i.same = request
	} else if request == i.same && i.repeated > 0 {
		i.repeated--
		fail = true
	}
	i.mu.Unlock()
	if fail {
		i.fault(i.server.objects, w, r)
		return
	}
	i.server.objects.ServeHTTP(w, r)
}

// workload runs a job in several processes: checkpoints with changes, one of them with a multipart
// upload, a removal of the oldest one, a restart and a restore. It reports the errors, and continues
// as a user would: with a new process.
type workload struct {
	server  *server
	options Options
	written map[checkpoint.ID]map[snapshot.Identity][]byte
	// confirmed is the newest checkpoint that the coordinator has reported to be complete.
	confirmed checkpoint.ID
	errs      []error
}

// run runs a process of the job, which takes checkpoints. It returns false if it failed.
func (l *workload) run(ctx context.Context, checkpoints int) bool {
	j, _, err := openFaultJob(ctx, l.server, l.options, l.written)
	if err != nil {
		l.errs = append(l.errs, err)
		return false
	}
	err = l.takeCheckpoints(ctx, j, checkpoints)
	_, collected := j.Collect(ctx, false)
	if j.attempt == nil {
		collected = nil // Collect has refused to run before an attempt has begun
	}
	for _, err := range []error{err, collected, j.Close()} {
		if err != nil {
			l.errs = append(l.errs, err)
		}
	}
	return err == nil
}

// takeCheckpoints begins an attempt and takes checkpoints.
func (l *workload) takeCheckpoints(ctx context.Context, j *faultJob, n int) error {
	restored, err := j.begin(ctx)
	if err != nil {
		return err
	}
	if restored < l.confirmed {
		return fmt.Errorf("checkpoint %d was restored, but %d is complete", restored, l.confirmed)
	}
	for range n {
		stats, err := j.attempt.TriggerAndWait(ctx)
		if err != nil {
			return err
		}
		l.confirmed = stats.ID
	}
	return nil
}

// runWorkload runs the workload on a new server with a fault, and then without. It returns the number
// of requests.
func runWorkload(t *testing.T, fault fault, at, repeated int) int {
	server := newServer(t)
	i := &injector{server: server, at: at, fault: fault, repeated: repeated}
	server.intercept(i.ServeHTTP)
	l := &workload{server: server, options: server.options(), written: make(map[checkpoint.ID]map[snapshot.Identity][]byte)}
	l.options.Retries = 2
	for range 4 { // a fault makes one process fail, or two if it is repeated
		if l.run(t.Context(), 2) {
			break
		}
	}
	l.run(t.Context(), 1)
	i.mu.Lock()
	requests := i.count
	i.mu.Unlock()
	server.intercept(nil)
	for _, err := range l.errs {
		requireTyped(t, err)
	}

	l.errs = nil
	require.True(t, l.run(t.Context(), 1), "the next process continues: %v", l.errs)
	require.Empty(t, l.errs)
	j, store, err := openFaultJob(t.Context(), server, l.options, l.written)
	require.NoError(t, err)
	restored, err := j.begin(t.Context())
	require.NoError(t, err)
	require.Equal(t, l.confirmed, restored)
	left, err := leftovers(t.Context(), j, store)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, j.Close())
	return requests
}

// requireTyped fails the test unless an error has a type that callers check, names a URL, and has no
// secret.
func requireTyped(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errDamaged) { // the backend has found it
		return
	}
	typed := false
	for _, want := range []error{ErrUnavailable, ErrChecksum, ErrClock, fs.ErrPermission} {
		typed = typed || errors.Is(err, want)
	}
	require.True(t, typed, "%v", err)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	text := err.Error()
	require.Contains(t, text, "s3://bucket/p")
	for _, secret := range []string{canarySecret, canaryID, "Signature=", "Credential=", "message of the server"} {
		require.NotContains(t, text, secret)
	}
	require.False(t, strings.Contains(text, "?"), "%v", text)
}

func TestEveryFaultOfEveryRequest(t *testing.T) {
	requests := runWorkload(t, nil, 0, 0)
	require.Greater(t, requests, 40)
	for name, fault := range faults {
		for _, repeated := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, repeated %d", name, repeated), func(t *testing.T) {
				t.Parallel()
				for at := 1; at <= requests && !t.Failed(); at++ {
					t.Run(fmt.Sprint(at), func(t *testing.T) { runWorkload(t, fault, at, repeated) })
				}
			})
		}
	}
}
