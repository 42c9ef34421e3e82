package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Regression test: if a table ends within a prefix, the range tombstone of a DeleteRange is split there,
// and neither part covers the whole prefix. Floor then stopped at a deleted key of an older run and
// reported that no key exists.
func TestFloorSkipsKeysHiddenByASplitRangeTombstone(t *testing.T) {
	db := memoryStore(t, Options{Split: modelSplits[1], PartitionBytes: 1, Picker: idle{}, FileBytes: 1})
	putAll(t, db, "aab1", "aab7", "c") // the range does not cover c, so the table cannot be dropped
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	flushed(t, db, db.DeleteRange([]byte("a"), []byte("b")))
	putAll(t, db, "aaa", "aab5")
	flushed(t, db)
	compactLevels(t, db, 1, 0)
	require.Equal(t, "[a,aab5) [aab5,b) ", boundsOf(db, 1), "the range tombstone is split within a prefix")

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
