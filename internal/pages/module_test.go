package pages

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is a module outside this one. Tests build the programs of a page there, with the code
// of this repository.
type module struct {
	t   *testing.T
	dir string
}

// newModule returns an empty module with the dependencies of this one.
func newModule(t *testing.T) *module {
	t.Helper()
	m := &module{t, t.TempDir()}
	here, err := filepath.Abs(root)
	require.NoError(t, err)
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, requirements, ok := strings.Cut(string(ours), "\nrequire ")
	require.True(t, ok, "go.mod requires nothing")
	m.write("go.mod", "module example.org/page\n\ngo 1.25.0\n\n"+
		"require github.com/weirstate/weir v0.0.0\n\nrequire "+requirements+
		"\nreplace github.com/weirstate/weir => "+strconv.Quote(filepath.ToSlash(here))+"\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	m.write("go.sum", string(sums))
	return m
}

// write writes a file of the module; an earlier one of that name is replaced.
func (m *module) write(name, text string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600))
}

// build builds the module's program and returns its path.
func (m *module) build() string {
	m.t.Helper()
	program := filepath.Join(m.dir, "program")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	m.command("go", "vet", ".")
	m.command("go", "build", "-o", program, ".")
	return program
}

// command runs a command in the module and returns its standard output.
func (m *module) command(name string, args ...string) string {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), name, args...)
	cmd.Dir = m.dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(m.t, cmd.Run(), "%s: %s", cmd, &stderr)
	return stdout.String()
}

// requireFormatted fails if gofmt would change a Go file of a page.
func requireFormatted(t *testing.T, b Block) {
	t.Helper()
	formatted, err := format.Source([]byte(b.Text))
	require.NoError(t, err, "line %d: %s", b.Line, b.Name)
	require.Equal(t, string(formatted), b.Text, "line %d: gofmt would change %s", b.Line, b.Name)
}
