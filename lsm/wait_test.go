package lsm

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/internal/await"
)

// waitFor waits until isTrue returns true. what names the condition, for the failure message.
func waitFor(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	await.True(t, isTrue, func() string { return "still waiting: " + what })
}

// untilNil repeats a call until it succeeds.
func untilNil(t testing.TB, do func() error) {
	t.Helper()
	waitFor(t, "a call that succeeds", func() bool { return do() == nil })
}

// waitForTables waits until a store has the given number of table files. It polls, because a worker
// that still uses an older version keeps its files for a moment.
func waitForTables(t testing.TB, db *DB, files int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("the store has %d table files", files), func() bool {
		waitForObsoleteFiles(db)
		return tablesOnDisk(t, db.o.FS) == files
	})
}
