// Package await lets tests wait for conditions. They wait as long as they may run, by
// go test -timeout, and not for a time of their own that a busy machine can miss.
package await

import (
	"testing"
	"time"
)

// pause is the time between two looks at a condition.
const pause = time.Millisecond

// spare is the time that a test has left to fail and to clean up.
const spare = 2 * time.Second

// True waits until a condition holds. It fails the test with the message shortly before
// the test's deadline.
func True(t testing.TB, condition func() bool, message func() string) {
	t.Helper()
	deadline := nearDeadline(t)
	for !condition() {
		select {
		case <-deadline:
			t.Fatal(message())
		case <-time.After(pause):
		}
	}
}

// End runs something that would hang if it waited for a named pipe, for example. Then
// it fails the test, shortly before the test's deadline.
func End(t testing.TB, run func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); run() }()
	select {
	case <-done:
	case <-nearDeadline(t):
		t.Fatal("it hangs")
	}
}

// nearDeadline returns a channel that tells shortly before a test's deadline, and never
// if it has none.
func nearDeadline(t testing.TB) <-chan time.Time {
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return nil
	}
	deadline, ok := limited.Deadline()
	if !ok {
		return nil
	}
	return time.After(time.Until(deadline) - spare)
}
