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

// An element that falls into a session, or extends its end, reads the row of the session. Others
// read the rows of the sessions that they join and one more. An earlier version read all sessions
// of the key from the oldest: 2,000 rows with 2,000 open sessions.
func TestElementReadsFewRowsHoweverManySessionsAreOpen(t *testing.T) {
	const gap, apart = 10, 100
	for _, sessions := range []int{1, 10, 2000} {
		backend := &counted{}
		f := newFleet(t, func(o state.Options) (_ snapshot.Backend, err error) {
			backend.Bytes, err = statetest.NewBytes(o, 32)
			return backend, err
		}, aggregating(window.Session(gap), 0), 1)
		rng := rand.New(rand.NewPCG(1, 1))
		rows := func(time int64) int {
			before := backend.rows
			f.add("k", time, 1)
			return backend.rows - before
		}
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
