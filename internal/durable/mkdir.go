package durable

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/weirstate/weir/vfs"
)

// MkdirAll makes a directory and its missing parents, as that of vfs.FS does, and
// makes them durable: each new one's entry is synced before the next is made.
// The name must come from Resolve, or lie below one that does.
// It syncs the entry of the deepest directory that was there as well, because
// an earlier process may have died between making and syncing it. Without this
// a power cut can take a directory with all the synced files in it. One whose
// entry could not be synced is removed: the next call has to make it anew.
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
	// A parent that may not be read, such as another user's /home, cannot be
	// synced; the directory was then not made by MkdirAll.
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
