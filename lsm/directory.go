package lsm

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/vfs"
)

// takeDirectory makes a directory if it is missing, and locks it. A directory that
// cannot be a store's is left as it is: not even a lock is made there.
func takeDirectory(fsys vfs.FS, dir string) (vfs.Lock, error) {
	names, err := fsys.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case slices.Contains(names, currentName) || slices.Contains(names, lockName):
	default:
		if err := checkEmpty(dir, names); errors.Is(err, ErrNotStore) {
			return nil, err
		}
	}
	if err := vfs.MkdirAllSync(fsys, dir); err != nil {
		return nil, err
	}
	return fsys.Lock(filepath.Join(dir, lockName))
}

// stopIfLost makes it final that the lock is lost. The lock of the store's state is
// not held.
func (db *DB) stopIfLost(err error) error {
	if errors.Is(err, ErrLockLost) {
		return db.fail(err)
	}
	return err
}

// removeFile removes a file of the store that it does not need, if it is there. After
// the lock was lost it may be another owner's; and what is no regular file was not
// made by a store.
func (db *DB) removeFile(name string) error {
	if err := db.dirLock.Check(); err != nil {
		return err
	}
	return ignoreMissing(vfs.RemoveFile(db.fs, db.path(name)))
}

// isGone reports whether it is known that the directory has no file of a name.
func (db *DB) isGone(name string) bool {
	_, err := db.fs.Lstat(db.path(name))
	return errors.Is(err, fs.ErrNotExist)
}
