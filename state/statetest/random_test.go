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

// forgetful is a backend whose Delete ignores one key in eight.
type forgetful struct{ *Bytes }

func (f forgetful) Delete(key []byte) error {
	if xxhash.Sum64(key)%8 == 0 {
		return nil
	}
	return f.Bytes.Delete(key)
}

// recorder is a testing.TB that records its log, and whose failure does not fail the test.
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

// record runs a test that must fail.
func record(t *testing.T, test func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); test(r) }()
	<-done
	return r
}

// setFlag sets a flag of rapid until the end of the test.
func setFlag(t *testing.T, name, value string) {
	f := flag.Lookup(name).Value
	before := f.String()
	require.NoError(t, f.Set(value))
	t.Cleanup(func() { require.NoError(t, f.Set(before)) })
}

func TestFailedProgramIsShrunkToAFewCalls(t *testing.T) {
	setFlag(t, "rapid.nofailfile", "true")
	setFlag(t, "rapid.seed", "1")        // programs of other seeds take longer to shrink
	setFlag(t, "rapid.shrinktime", "5m") // the default, 30 s, is too short for a busy machine or -race
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
