package directory

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A name with another spelling than the store's own was not created by the store, so the store
// must not touch the file.
func TestEachNameHasOneSpelling(t *testing.T) {
	for name, want := range map[string]struct {
		kind   Kind
		number uint64
	}{
		CurrentName:                    {CurrentFile, 0},
		LockName:                       {LockFile, 0},
		ManifestName(7):                {ManifestFile, 7},
		TableName(12):                  {TableFile, 12},
		LogName(123456):                {LogFile, 123456},
		LostName(1_000_000):            {LostFile, 1_000_000},
		"9999999999999999999.sst":      {TableFile, 9999999999999999999},
		"MANIFEST-9999999999999999999": {ManifestFile, 9999999999999999999},

		"000000.sst":               {},
		"00012.sst":                {},
		"0000012.sst":              {},
		"00001a.log":               {},
		"-00001.log":               {},
		"000012.SST":               {},
		"000012.sst.bak":           {},
		"12345678901234567890.log": {},
		"MANIFEST-":                {},
		"MANIFEST-00007":           {},
		"current":                  {},
		"":                         {},
		".lost":                    {},
		"000012.log.lost":          {},
	} {
		kind, number := ParseName(name)
		require.Equal(t, want.kind, kind, name)
		require.Equal(t, want.number, number, name)
		require.Equal(t, kind, KindOf(name))
		require.Equal(t, number, NumberOf(name))
	}
}

func TestOpeningRemovesOnlyManifestsTablesAndLogs(t *testing.T) {
	for name, want := range map[string]bool{
		ManifestName(1): true, TableName(1): true, LogName(1): true,
		LockName: false, CurrentName: false, LostName(1): false, "notes.txt": false,
	} {
		require.Equal(t, want, KindOf(name).IsRemovable(), name)
	}
}

func TestLogNumbersAreSortedByNumber(t *testing.T) {
	names := []string{LogName(1_000_000), LogName(999_999), TableName(3), LogName(2), LogName(10)}
	require.Equal(t, []uint64{10, 999_999, 1_000_000}, LogNumbers(names, 3))
}
