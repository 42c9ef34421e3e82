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

// counted is a backend that counts the rows that cursors and Floor return.
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

// An element looked at all sessions of its key from the oldest on: with 2,000 of them
// open, at 2,000 rows. It looks at those that it joins, and at one below.
func TestElementOfASessionLooksAtAFewRowsHoweverManySessionsAreOpen(t *testing.T) {
	const gap, apart = 10, 100
	for _, sessions := range []int{1, 10, 2000} {
		backend := &counted{}
		f := newFleet(t, func(o state.Options) (_ snapshot.Backend, err error) {
			backend.Bytes, err = statetest.NewBytes(o, 32)
			return backend, err
		}, aggregating(window.Session(gap), 0), 1)
		rng := rand.New(rand.NewPCG(1, 1))
		most := 0
		add := func(time int64) {
			before := backend.rows
			f.add("k", time, 1)
			most = max(most, backend.rows-before)
		}
		for _, i := range rng.Perm(sessions) {
			add(int64(i) * apart) // a session of its own
		}
		require.LessOrEqual(t, most, 1)
		for range 50 {
			add(int64(rng.IntN(sessions))*apart + rng.Int64N(gap)) // into one
		}
		require.LessOrEqual(t, most, 2)
		add(apart/2 + 2*gap) // none of these touches another one
		add(apart/2 + gap/2)
		add(apart/2 + gap + gap/2) // and this makes one of both
		require.LessOrEqual(t, most, 3)
	}
}
