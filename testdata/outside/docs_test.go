// Package outside holds the test of the page that shows the packages below.
package outside

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPageShowsThisCode(t *testing.T) {
	var code strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		b, err := os.ReadFile(path)
		code.Write(b)
		return err
	}))
	page, err := os.ReadFile("../../docs/extending.md")
	require.NoError(t, err)
	blocks := strings.Split(string(page), "```go\n")[1:]
	require.Greater(t, len(blocks), 5)
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		for part := range strings.SplitSeq(block, "\n\n") {
			require.Contains(t, code.String(), strings.TrimSuffix(part, "\n"))
		}
	}
}
