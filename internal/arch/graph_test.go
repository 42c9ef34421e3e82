package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/weirstate/weir"
	root   = "../.."
)

// graph has the imports of each package by its import path: the packages of this module and
// all packages that they import, directly or not.
type graph map[string]imports

type imports struct{ code, tests []string }

// list returns the graph of the module for a platform.
func list(t *testing.T, goos, goarch string) graph {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	g := make(graph)
	for packages := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else {
			require.NoError(t, err)
		}
		g[p.ImportPath] = imports{p.Imports, append(p.TestImports, p.XTestImports...)}
	}
}

// watch opens every directory of the module: go test reuses a cached result unless a file or
// directory changed that the test itself opened, and go list is another process.
func watch(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && path != root
		if err == nil && d.IsDir() && (hidden || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		return err
	}))
}

// relative returns the path of a package below the root of this module, and whether the package
// belongs to this module.
func relative(importPath string) (path string, ours bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// isStandard reports whether a package belongs to the standard library. All other import paths
// begin with a host name.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
