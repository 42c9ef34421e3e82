package await

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shortTest is a test whose deadline is near.
type shortTest struct {
	testing.TB
	left   time.Duration
	failed []any
}

func (s *shortTest) Deadline() (time.Time, bool) {
	return time.Now().Add(cleanupTime + s.left), true
}
func (s *shortTest) Helper()           {}
func (s *shortTest) Fatal(args ...any) { s.failed = args; runtime.Goexit() }

// run calls test with a deadline that leaves it the given time to wait. It returns the
// arguments of Fatal.
func run(left time.Duration, test func(t testing.TB)) (failed []any) {
	s := &shortTest{left: left}
	done := make(chan struct{})
	go func() { defer close(done); test(s) }()
	<-done
	return s.failed
}

func TestTrueWaitsUntilTheConditionHolds(t *testing.T) {
	checks := 0
	third := func() bool { checks++; return checks == 3 }
	require.Empty(t, run(time.Hour, func(t testing.TB) { True(t, third, func() string { return "never" }) }))
	require.Equal(t, 3, checks)
}

func TestTrueFailsBeforeTheDeadline(t *testing.T) {
	failed := run(time.Millisecond, func(t testing.TB) {
		True(t, func() bool { return false }, func() string { return "not yet" })
	})
	require.Equal(t, []any{"not yet"}, failed)
}

func TestEndFailsIfTheCallDoesNotReturn(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	require.NotEmpty(t, run(time.Millisecond, func(t testing.TB) { End(t, func() { <-hang }) }))
	require.Empty(t, run(time.Hour, func(t testing.TB) { End(t, func() {}) }))
}
