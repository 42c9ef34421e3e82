//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Plant puts something at a path, in the place of what is there. That goes elsewhere in
// the world, where a link may lead to it. It returns what it has put there: "" if the
// directory for it cannot be, since another plant is there.
func (w *World) Plant(path string) (kind string) {
	moved := fmt.Sprintf("elsewhere/moved-%d", w.Rand.Uint32())
	if os.MkdirAll(filepath.Dir(w.Path(path)), 0o700) != nil {
		return ""
	}
	there := os.Rename(w.Path(path), w.Path(moved)) == nil
	if !there {
		w.File(moved, "somebody's")
	}
	kinds := []struct {
		name string
		put  func() error
	}{
		{"link to what was there", func() error { return os.Symlink(w.Path(moved), w.Path(path)) }},
		{"link to a file", func() error { return os.Symlink(w.Path("elsewhere/file"), w.Path(path)) }},
		{"link to a directory", func() error { return os.Symlink(w.Path("elsewhere/dir"), w.Path(path)) }},
		{"link to nothing", func() error { return os.Symlink(w.Path("elsewhere/none"), w.Path(path)) }},
		{"link to a device", func() error { return os.Symlink("/dev/zero", w.Path(path)) }},
		{"looping link", func() error { return os.Symlink(w.Path(path), w.Path(path)) }},
		{"named pipe", func() error { return syscall.Mkfifo(w.Path(path), 0o600) }},
		{"empty directory", func() error { return os.Mkdir(w.Path(path), 0o700) }},
		{"directory", func() error { w.File(path+"/notes", "somebody's"); return nil }},
		{"file", func() error { w.File(path, "somebody's"); return nil }},
	}
	k := kinds[w.Rand.IntN(len(kinds))]
	w.must(k.put())
	return k.name
}
