package checkpoint

import (
	"errors"
	"sync/atomic"

	"github.com/weirstate/weir/vfs"
)

// syncWatch is a file system that counts failed syncs of directories. A failed fsync discards
// pending changes for good, also those of other operations, and the next fsync succeeds without
// them. A directory that could not be opened for its sync, as under EMFILE, has lost nothing
// and does not count: see vfs.ErrUnsynced.
type syncWatch struct {
	vfs.FS
	failures atomic.Int64
}

// errSync is the error of an operation that another operation's failed sync may have undone.
var errSync = errors.New("a sync of the directory has failed")

// SyncDir implements vfs.FS.
func (w *syncWatch) SyncDir(dir string) error {
	err := w.FS.SyncDir(dir)
	if errors.Is(err, vfs.ErrUnsynced) {
		w.failures.Add(1)
	}
	return err
}

// watched runs a change of directories that syncs them. It returns errSync if any sync of a
// directory failed while the change ran.
func (w *syncWatch) watched(change func() error) error {
	before := w.failures.Load()
	if err := change(); err != nil {
		return err
	}
	if w.failures.Load() != before {
		return errSync
	}
	return nil
}
