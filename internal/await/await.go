// Package await lets tests wait for a condition or for the end of a call. A wait ends
// shortly before the deadline of the test (go test -timeout). Shorter limits would make
// tests fail on a busy machine.
package await

import (
	"testing"
	"time"
)

// checkPeriod is the time between two checks of a condition.
const checkPeriod = time.Millisecond

// cleanupTime is the part of a test's time that waits leave for its failure and cleanup.
const cleanupTime = 2 * time.Second

// True waits until condition returns true. If it does not, True fails the test with the
// message, shortly before the test's deadline.
func True(t testing.TB, condition func() bool, message func() string) {
	t.Helper()
	deadline := time.After(time.Until(Deadline(t)))
	for !condition() {
		select {
		case <-deadline:
			t.Fatal(message())
		case <-time.After(checkPeriod):
		}
	}
}

// End calls run in a goroutine and waits until it returns. If it does not, End fails the
// test shortly before the test's deadline. It is for calls that could block forever, for
// example when they open a named pipe.
func End(t testing.TB, run func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); run() }()
	select {
	case <-done:
	case <-time.After(time.Until(Deadline(t))):
		t.Fatal("the call did not return before the deadline of the test")
	}
}

// Deadline returns the time at which a test that still waits must fail: two seconds before
// go test ends the process, so that the test can report its own error. Without a timeout
// it returns a time one day from now.
func Deadline(t testing.TB) time.Time {
	if limited, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := limited.Deadline(); ok {
			return deadline.Add(-cleanupTime)
		}
	}
	return time.Now().Add(24 * time.Hour)
}
