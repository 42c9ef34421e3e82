package vfs

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyErrorsForLinksSuggestACopyWithoutLinks(t *testing.T) {
	require.Contains(t, (&irregular{fs.ModeSymlink, "file"}).Error(), "cp -aL")
	for _, mode := range []fs.FileMode{fs.ModeDir, fs.ModeNamedPipe, fs.ModeSocket, fs.ModeDevice} {
		require.NotContains(t, (&irregular{mode, "file"}).Error(), "cp -aL")
	}
}
