package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A file may end within a prefix, and a DeleteRange is cut there, so that neither part of
// it has all of the prefix. Floor found the key below it that was deleted, and so none.
func TestFloorStepsOverKeysHiddenByAPartOfARange(t *testing.T) {
	db := memoryStore(t, Options{Split: modelSplits[1], PartitionBytes: 1, Picker: idle{}, FileBytes: 1})
	putAll(t, db, "aab1", "aab7", "c") // not all of it goes with the range
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	flushed(t, db, db.DeleteRange([]byte("a"), []byte("b")))
	putAll(t, db, "aaa", "aab5")
	flushed(t, db)
	compactLevels(t, db, 1, 0)
	require.Equal(t, "[a,aab5) [aab5,b) ", boundsOf(db, 1), "the range ends within a prefix")

	for key, want := range map[string]string{"aab8": "aab5", "aab5": "aab5", "aab4": ""} {
		found, value, ok, err := db.Floor([]byte(key))
		require.NoError(t, err)
		require.Equal(t, want != "", ok, key)
		require.Equal(t, want, string(found))
		if ok {
			require.Equal(t, "of "+want, string(value))
		}
	}
}
