package checkpoint

import (
	"errors"
	"sync/atomic"

	"github.com/weirstate/weir/vfs"
)

// syncWatch is a file system that counts the syncs of directories that have failed.
// Each gives up for good what others wanted to have synced, and the next succeeds. One
// whose directory could not be opened, as under EMFILE, has given up nothing: see
// vfs.ErrUnsynced.
type syncWatch struct {
	vfs.FS
	failures atomic.Int64
}

var errSync = errors.New("a sync of the directory has failed")

// SyncDir implements vfs.FS.
func (w *syncWatch) SyncDir(dir string) error {
	err := w.FS.SyncDir(dir)
	if errors.Is(err, vfs.ErrUnsynced) {
		w.failures.Add(1)
	}
	return err
}

// watched runs a change of directories that syncs them. It is errSync if somebody
// else's sync has failed since it began.
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
