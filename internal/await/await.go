// Package await lets tests wait for conditions. They wait as long as they may run, by
// go test -timeout, and not for a time of their own that a busy machine can miss.
package await

import (
	"testing"
	"time"
)

// pause is the time between two checks of a condition.
const pause = time.Millisecond

// spare is the time that a test has left to fail and to clean up.
const spare = 2 * time.Second

// True waits until a condition holds. It fails the test with the message shortly before
// the test's deadline.
func True(t testing.TB, condition func() bool, message func() string) {
	t.Helper()
	deadline := time.After(time.Until(Deadline(t)))
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
	case <-time.After(time.Until(Deadline(t))):
		t.Fatal("it hangs")
	}
}

// Deadline returns the moment at which a test that still waits should fail, shortly
// before go test ends it, so that the failure has a name. Without a timeout it is far away.
func Deadline(t testing.TB) time.Time {
	if limited, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := limited.Deadline(); ok {
			return deadline.Add(-spare)
		}
	}
	return time.Now().Add(24 * time.Hour)
}
