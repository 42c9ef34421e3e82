package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The code of these pages is from files that compile: each paragraph is in one of them.
func TestPagesShowCodeOfTheRepository(t *testing.T) {
	for page, from := range map[string][]string{
		"README.md":         {"example_test.go"},
		"docs/storage.md":   {"integration/examples"},
		"docs/extending.md": {"testdata/outside", "examples/backend", "checkpoint/objects.go", "checkpoint/completed.go", "snapshot/target.go"},
	} {
		t.Run(page, func(t *testing.T) {
			code := sources(t, from)
			blocks, err := Read(filepath.Join(root, page))
			require.NoError(t, err)
			found := 0
			for _, b := range blocks {
				if b.Kind != "go" {
					continue
				}
				found++
				for part := range strings.SplitSeq(b.Text, "\n\n") {
					require.Contains(t, code, unindented(part), "line %d", b.Line)
				}
			}
			require.NotZero(t, found)
		})
	}
}

// sources returns the text of Go files, and of those in folders, without indentation.
func sources(t *testing.T, paths []string) string {
	t.Helper()
	var code strings.Builder
	for _, path := range paths {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, path), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			code.WriteString(withoutComments(string(text)))
			return err
		}))
	}
	return unindented(code.String())
}

// withoutComments returns a text without the lines that are comments: a page shows the methods of an
// interface without their documentation.
func withoutComments(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// unindented returns a text without the tabs at the beginnings of lines: a page shows the body
// of a function on its own. It ends with a newline.
func unindented(text string) string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		lines = append(lines, strings.TrimLeft(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return strings.Join(lines, "\n") + "\n"
}

// The files of pages whose programs no other test runs compile.
func TestFilesOfPagesCompile(t *testing.T) {
	for _, page := range []string{"docs/operations.md"} {
		t.Run(page, func(t *testing.T) {
			blocks, err := Read(filepath.Join(root, page))
			require.NoError(t, err)
			m := newModule(t)
			for _, b := range blocks {
				if b.Kind == "go" {
					requireFormatted(t, b)
					m.write(b.Name, b.Text)
				}
			}
			m.command("go", "vet", ".")
		})
	}
}
