package await

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// short is a test whose deadline is near.
type short struct {
	testing.TB
	left   time.Duration
	failed []any
}

func (s *short) Deadline() (time.Time, bool) { return time.Now().Add(spare + s.left), true }
func (s *short) Helper()                     {}
func (s *short) Fatal(args ...any)           { s.failed = args; runtime.Goexit() }

// run runs a function as a test with a deadline.
func run(left time.Duration, test func(t testing.TB)) (failed []any) {
	s := &short{left: left}
	done := make(chan struct{})
	go func() { defer close(done); test(s) }()
	<-done
	return s.failed
}

func TestTrueWaitsUntilTheConditionHolds(t *testing.T) {
	looks := 0
	third := func() bool { looks++; return looks == 3 }
	require.Empty(t, run(time.Hour, func(t testing.TB) { True(t, third, func() string { return "never" }) }))
	require.Equal(t, 3, looks)
}

func TestTrueFailsBeforeTheDeadline(t *testing.T) {
	failed := run(time.Millisecond, func(t testing.TB) {
		True(t, func() bool { return false }, func() string { return "not yet" })
	})
	require.Equal(t, []any{"not yet"}, failed)
}

func TestEndFailsWhatHangs(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	require.NotEmpty(t, run(time.Millisecond, func(t testing.TB) { End(t, func() { <-hang }) }))
	require.Empty(t, run(time.Hour, func(t testing.TB) { End(t, func() {}) }))
}
