package window_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
	"github.com/weirstate/weir/window"
)

// counted is a backend that counts the rows read by cursors and Floor.
type counted struct {
	*statetest.Bytes
	rows int
}

// Floor implements backend.ByteBackend.
func (c *counted) Floor(prefix, key []byte) (found, value []byte, ok bool, err error) {
	c.rows++
	return c.Bytes.Floor(prefix, key)
}

// ScanPrefix implements backend.ByteBackend.
func (c *counted) ScanPrefix(prefix, from []byte) backend.Cursor {
	return countedCursor{c.Bytes.ScanPrefix(prefix, from), c}
}

type countedCursor struct {
	backend.Cursor
	backend *counted
}

// Next implements backend.Cursor.
func (c countedCursor) Next() (key, value []byte, ok bool, err error) {
	c.backend.rows++
	return c.Cursor.Next()
}

// rowsRead returns a function that adds an element to windows and returns the number of rows that
// were read.
func rowsRead(t *testing.T, d declare) func(time int64) int {
	backend := &counted{}
	f := newFleet(t, func(o state.Options) (_ snapshot.Backend, err error) {
		backend.Bytes, err = statetest.NewBytes(o, 32)
		return backend, err
	}, d, 1)
	return func(time int64) int {
		before := backend.rows
		f.add("k", time, 1)
		return backend.rows - before
	}
}

// An element that falls into a session, or extends its end, reads the row of the session. Others
// read the rows of the sessions that they join and one more. An earlier version read all sessions
// of the key from the oldest: 2,000 rows with 2,000 open sessions.
func TestElementReadsFewRowsHoweverManySessionsAreOpen(t *testing.T) {
	const gap, apart = 10, 100
	for _, sessions := range []int{1, 10, 2000} {
		rows := rowsRead(t, aggregating(window.Session(gap), 0))
		rng := rand.New(rand.NewPCG(1, 1))
		for _, i := range rng.Perm(sessions) {
			require.LessOrEqual(t, rows(int64(i)*apart), 1) // a new session
		}
		for range 50 {
			require.LessOrEqual(t, rows(int64(rng.IntN(sessions))*apart+rng.Int64N(gap)), 1) // into an open session
		}
		require.LessOrEqual(t, rows(-1), 2)            // extends the start of a session
		require.LessOrEqual(t, rows(apart/2+2*gap), 1) // these two touch no session
		require.LessOrEqual(t, rows(apart/2+gap/2), 1)
		require.LessOrEqual(t, rows(apart/2+gap+gap/2), 2) // this one merges them
	}
}

// An Add to a list does not read the list in sessions, and in windows with a lateness.
func TestElementOfAListDoesNotReadTheList(t *testing.T) {
	sessions := rowsRead(t, listing(window.Session(10), 0))
	withLateness := rowsRead(t, listing(window.Tumbling(10, 0), 5))
	for range 5 {
		require.Equal(t, 1, sessions(3), "one row of the map of sessions")
		require.Zero(t, withLateness(3))
	}
}
