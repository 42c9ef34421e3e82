package fuzz

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSstableOpen opens arbitrary bytes as a table, unchanged or with correct checksums.
func FuzzSstableOpen(f *testing.F) {
	for _, name := range []string{"v1-one-block.sst", "v1-zstd.sst", "v1-ranges.sst", "v1-empty.sst"} {
		data, err := os.ReadFile("../sstable/testdata/" + name)
		require.NoError(f, err)
		seed(f, name, data, false)
		seed(f, name+" resealed", data, true)
	}
	seed(f, "nothing", []byte{}, false)
	seed(f, "short", make([]byte, tableHeaderBytes+tableFooterBytes), true)
	f.Fuzz(func(t *testing.T, data []byte, reseal bool) {
		if reseal {
			data = tableWithChecksums(data)
		}
		exerciseTable(t, data)
	})
}
