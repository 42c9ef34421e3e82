package heapstate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
)

func openHash(_ testing.TB, o backend.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }

func openBTree(_ testing.TB, o backend.Options) (snapshot.Backend, error) {
	return heapstate.NewBTree(o)
}

func TestHashConforms(t *testing.T) { statetest.Run(t, openHash) }

func TestBTreeConforms(t *testing.T) { statetest.Run(t, openBTree) }

func openBytes(_ testing.TB, o backend.Options) (snapshot.Backend, error) {
	return statetest.NewBytes(o, 32)
}

func TestEveryBackendLoadsSnapshotsOfEveryOther(t *testing.T) {
	backends := []struct {
		name string
		open statetest.Opener
	}{{"hash", openHash}, {"btree", openBTree}, {"bytes", openBytes}}
	for _, from := range backends {
		for _, to := range backends {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				statetest.Exchange(t, from.open, to.open)
			})
		}
	}
}

func TestHashAndBTreeHaveTheSameRows(t *testing.T) {
	for seed := range uint64(3) {
		hash, btree := statetest.Fill(t, openHash, seed), statetest.Fill(t, openBTree, seed)
		rows := viewRows(t, hash)
		require.NotEmpty(t, rows)
		require.Equal(t, rows, viewRows(t, btree))
	}
}

// viewRows returns the rows of a view of b, as pairs of key and value.
func viewRows(t *testing.T, b snapshot.Backend) (rows [][2]string) {
	v, err := b.View()
	require.NoError(t, err)
	defer v.Close()
	groups := v.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		require.NoError(t, v.Rows(uint16(group), func(key, value []byte) error {
			rows = append(rows, [2]string{string(key), string(value)})
			return nil
		}))
	}
	return rows
}
