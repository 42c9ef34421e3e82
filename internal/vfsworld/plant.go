//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Plant creates a random obstacle at a path: a link, a named pipe, a directory or a file. It moves an
// existing entry of the path to another directory, to which the new link may lead. Plant returns
// the kind of the obstacle, or "" if the parent directory cannot be made because of an earlier obstacle.
func (w *World) Plant(path string) (kind string) {
	moved := fmt.Sprintf("elsewhere/moved-%d", w.Rand.Uint32())
	if os.MkdirAll(filepath.Dir(w.Path(path)), 0o700) != nil {
		return ""
	}
	existed := os.Rename(w.Path(path), w.Path(moved)) == nil
	if !existed {
		w.File(moved, foreign)
	}
	kinds := []struct {
		name string
		put  func() error
	}{
		{"link to the moved entry", func() error { return os.Symlink(w.Path(moved), w.Path(path)) }},
		{"link to a file", func() error { return os.Symlink(w.Path("elsewhere/file"), w.Path(path)) }},
		{"link to a directory", func() error { return os.Symlink(w.Path("elsewhere/dir"), w.Path(path)) }},
		{"dangling link", func() error { return os.Symlink(w.Path("elsewhere/missing"), w.Path(path)) }},
		{"link to a device", func() error { return os.Symlink("/dev/zero", w.Path(path)) }},
		{"looping link", func() error { return os.Symlink(w.Path(path), w.Path(path)) }},
		{"named pipe", func() error { return syscall.Mkfifo(w.Path(path), 0o600) }},
		{"empty directory", func() error { return os.Mkdir(w.Path(path), 0o700) }},
		{"directory", func() error { w.File(path+"/notes", foreign); return nil }},
		{"file", func() error { w.File(path, foreign); return nil }},
	}
	k := kinds[w.Rand.IntN(len(kinds))]
	w.must(k.put())
	return k.name
}
