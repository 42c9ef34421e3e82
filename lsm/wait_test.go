package lsm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deadlineOf is when a test gives up that still waits: shortly before go test ends it, so
// that its failure has a name. It is no limit that a loaded machine can miss.
func deadlineOf(t testing.TB) time.Time {
	const toTell = 10 * time.Second
	if t, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := t.Deadline(); ok {
			return deadline.Add(-toTell)
		}
	}
	return time.Now().Add(24 * time.Hour)
}

// waitFor waits until a condition is true.
func waitFor(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for deadline := deadlineOf(t); !isTrue(); time.Sleep(100 * time.Microsecond) {
		require.True(t, time.Now().Before(deadline), "still waiting: %s", what)
	}
}

// untilNil repeats a call until it succeeds.
func untilNil(t testing.TB, do func() error) {
	t.Helper()
	waitFor(t, "a call that succeeds", func() bool { return do() == nil })
}

// waitForTables waits until a store has so many files of tables: a worker that has looked
// at a version before keeps them for a moment.
func waitForTables(t testing.TB, db *DB, files int) {
	t.Helper()
	waitFor(t, "files of tables that nobody needs are removed", func() bool {
		waitForJanitor(db)
		return tablesOnDisk(t, db.o.FS) == files
	})
}
