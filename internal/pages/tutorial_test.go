//go:build unix

package pages

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each command of the page runs in the module that the page has written so far, and has the
// output that the page shows.
func TestTutorialRunsAsItSays(t *testing.T) {
	t.Parallel()
	blocks, err := Read(filepath.Join(root, "docs", "tutorial.md"))
	require.NoError(t, err)
	m := newModule(t)
	commands := 0
	for _, b := range blocks {
		switch b.Kind {
		case "go":
			requireFormatted(t, b)
			m.write(b.Name, b.Text)
		case "console":
			for _, c := range b.Commands() {
				commands++
				assert.Equal(t, c.Output, m.shell(c.Line), "line %d: %s", b.Line, c.Line)
			}
		}
	}
	require.Greater(t, commands, 8)
	m.command("go", "vet", ".")
}

// shell runs a line in the module and returns its output. Go prints the exit status of a
// program that it runs; the page does not show that line.
func (m *module) shell(line string) string {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "sh", "-c", line)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, _ := cmd.CombinedOutput() // a killed program fails; the output tells
	return string(out)
}
