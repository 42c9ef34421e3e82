package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/weirstate/weir/vfs"
)

// MkdirAll makes a directory and its missing parents, like vfs.FS.MkdirAll, and makes them durable:
// it syncs the entry of each new directory before it makes the next one. The name must be a result
// of Resolve, or be below one.
//
// MkdirAll also syncs the entry of the deepest existing directory, because an earlier process may
// have died between making and syncing it; otherwise a power cut could remove that directory with
// all synced files in it. If an entry cannot be synced, MkdirAll removes the new directory, so that
// the next call makes it again.
func MkdirAll(fsys vfs.FS, dir string) error {
	var missing []string // deepest first
	at := filepath.Clean(dir)
	for {
		info, err := fsys.Lstat(at)
		switch {
		case err != nil:
		case info.Mode()&fs.ModeSymlink != 0:
			err = &fs.PathError{Op: "mkdir", Path: at, Err: vfs.CheckDirectory(info)}
		case !info.IsDir():
			err = &fs.PathError{Op: "mkdir", Path: at, Err: syscall.ENOTDIR}
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(at); errors.Is(err, fs.ErrNotExist) && parent != at {
			missing = append(missing, at)
			at = parent
			continue
		}
		return err
	}
	// MkdirAll cannot sync a parent that it must not read, for example /home. It ignores the error,
	// because it has made no entry there.
	if err := fsys.SyncDir(filepath.Dir(at)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, d := range slices.Backward(missing) {
		if err := fsys.MkdirAll(d); err != nil {
			return err
		}
		if err := fsys.SyncDir(filepath.Dir(d)); err != nil {
			return errors.Join(err, fsys.Remove(d))
		}
	}
	return nil
}
