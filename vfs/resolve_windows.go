package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Resolve implements FS. Windows removes "x/.." before it follows links.
func (Real) Resolve(name string) (string, error) {
	if name == "" {
		return "", &fs.PathError{Op: "resolve", Path: `""`, Err: errEmptyName}
	}
	if strings.ContainsRune(name, 0) {
		return "", &fs.PathError{Op: "resolve", Path: name, Err: fs.ErrInvalid}
	}
	at, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	var missing string
	for {
		_, err := os.Lstat(at)
		parent := filepath.Dir(at)
		if !errors.Is(err, fs.ErrNotExist) || parent == at {
			break
		}
		missing = filepath.Join(filepath.Base(at), missing)
		at = parent
	}
	resolved, err := filepath.EvalSymlinks(at)
	if err != nil {
		return "", err
	}
	return filepath.Join(resolved, missing), nil
}
