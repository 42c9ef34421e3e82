package state

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// brokenCursor yields chunks and returns errBroken after some of them.
type brokenCursor struct {
	chunks []string
	left   int
}

var errBroken = errors.New("broken")

func (c *brokenCursor) Next() (key, value []byte, ok bool, err error) {
	if c.left == 0 {
		return nil, nil, false, errBroken
	}
	if len(c.chunks) == 0 {
		return nil, nil, false, nil
	}
	c.left--
	value = []byte(c.chunks[0])
	c.chunks = c.chunks[1:]
	return nil, value, true, nil
}

func (c *brokenCursor) Close() error { return nil }

func TestWalkOverAListLosesNoChunkWhenDetachingFails(t *testing.T) {
	walks := &listWalks{}
	walk := &listWalk{prefix: []byte("p"), cursor: &brokenCursor{chunks: []string{"a", "b", "c"}, left: 2}}
	walks.open = append(walks.open, walk)
	chunk, err := walk.next()
	require.NoError(t, err)
	require.Equal(t, "a", string(chunk))
	require.ErrorIs(t, walks.detach([]byte("p")), errBroken)
	chunk, err = walk.next()
	require.NoError(t, err)
	require.Equal(t, "b", string(chunk))
	_, err = walk.next()
	require.ErrorIs(t, err, errBroken, "the error must not look like the end of the list")
}

func TestWalkOverAListSeesTheListOfTheTimeItWasDetached(t *testing.T) {
	walks := &listWalks{}
	cursor := &brokenCursor{chunks: []string{"a", "b"}, left: -1}
	walk := &listWalk{prefix: []byte("p"), cursor: cursor}
	walks.open = append(walks.open, walk)
	require.NoError(t, walks.detach([]byte("other")))
	require.False(t, walk.detached)
	require.NoError(t, walks.detach([]byte("p")))
	cursor.chunks = []string{"later"}
	chunk, err := walk.next()
	require.NoError(t, err)
	require.Equal(t, "ab", string(chunk))
	chunk, err = walk.next()
	require.NoError(t, err)
	require.Empty(t, chunk)
}
