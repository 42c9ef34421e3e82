package statetest

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// forgetful is a backend that loses the deletion of one row in eight.
type forgetful struct{ *Bytes }

func (f forgetful) Delete(key []byte) error {
	if xxhash.Sum64(key)%8 == 0 {
		return nil
	}
	return f.Bytes.Delete(key)
}

// recorder is a test that keeps its log and may fail.
type recorder struct {
	testing.TB
	log    []string
	failed bool
}

func (r *recorder) Helper() {}
func (r *recorder) Logf(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}
func (r *recorder) Errorf(format string, args ...any) { r.Logf(format, args...); r.failed = true }
func (r *recorder) Failed() bool                      { return r.failed }
func (r *recorder) FailNow()                          { r.failed = true; runtime.Goexit() }

// record runs a test that is to fail.
func record(t *testing.T, test func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); test(r) }()
	<-done
	return r
}

func TestAProgramThatFailsFitsOnAScreen(t *testing.T) {
	noFiles := flag.Lookup("rapid.nofailfile").Value
	before := noFiles.String()
	require.NoError(t, noFiles.Set("true"))
	t.Cleanup(func() { require.NoError(t, noFiles.Set(before)) })
	r := record(t, func(t testing.TB) {
		Random(t, func(_ testing.TB, o backend.Options) (snapshot.Backend, error) {
			b, err := NewBytes(o, 32)
			return forgetful{b}, err
		}, runOperations)
	})
	require.True(t, r.failed)
	var calls []string
	for _, text := range r.log {
		if strings.HasPrefix(text, "a program of ") {
			require.Empty(t, calls, "one program is reported")
			calls = strings.Split(text, "\n")[1:]
		}
	}
	t.Log(strings.Join(r.log, "\n"))
	require.NotEmpty(t, calls)
	require.LessOrEqual(t, len(calls), 15)
	require.Less(t, strings.Count(strings.Join(r.log, "\n"), "\n"), 60)
}
