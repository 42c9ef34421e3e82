package lsm

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// View is a snapshot of the store at a seal. Later writes do not change it. It pins files on
// disk, and memory only until its runs are flushed. A store may have many views; a view copies
// no data.
//
// Reads of a view that holds a run of SealWith wait until the run is flushed. If a flush that
// begins after the call fails, the call returns its error; a later call may succeed. If the view is
// closed during the wait, the call returns ErrClosed after it.
//
// Thread safety: safe for concurrent use; an iterator belongs to one goroutine.
type View struct {
	db      *DB
	run     uint64           // newest run of the view
	version *version.Version // nil after Close; guarded by the lock of the store
	opened  caller
}

// View seals the store and returns a snapshot of it, in constant time. Close the view.
func (db *DB) View() (*View, error) { return db.view(callerOf()) }

// view is View for callers that pass the place where it was opened.
func (db *DB) view(opened caller) (_ *View, err error) {
	if err := db.lockOpen(); err != nil {
		return nil, err
	}
	defer db.unlockAfterWrite(&err)
	if err := db.sealForRead(); err != nil {
		return nil, err
	}
	v := &View{db: db, run: db.activeRun - 1, version: db.versions.Current().Ref(), opened: opened}
	db.pins.views[v] = true
	return v, nil
}

// Close releases the view. Its iterators stay usable. A second Close returns nil.
func (v *View) Close() (err error) {
	if err := v.lockOpen(); err != nil {
		return nil // already closed
	}
	defer v.db.unlock(&err)
	v.abandon()
	return nil
}

// abandon is Close for callers that hold the lock.
func (v *View) abandon() {
	v.db.versions.Unref(v.version)
	v.version = nil
	delete(v.db.pins.views, v)
}

// lockOpen takes the lock of the store. It returns ErrClosed, without the lock, if the view is
// closed.
func (v *View) lockOpen() error {
	v.db.lock.Lock()
	if v.version == nil {
		v.db.lock.Unlock()
		return ErrClosed
	}
	return nil
}

// lockForRead is lockOpen that waits until the sources of the view are flushed. It releases the
// lock while it waits.
func (v *View) lockForRead() error {
	if err := v.lockOpen(); err != nil {
		return err
	}
	newest := v.version.NewestSource()
	if newest == 0 {
		return nil
	}
	err := v.db.waitForRun(context.Background(), newest)
	switch {
	case err != nil:
	case v.version == nil:
		err = ErrClosed
	case v.version.NewestSource() > 0:
		err = fmt.Errorf("the table of run %d does not fit into the tree of the view: %w", newest, ErrCorrupt)
	default:
		return nil
	}
	v.db.lock.Unlock()
	return err
}

// Get appends the key's value to dst and reports whether the key has a value: see DB.Get.
func (v *View) Get(key, dst []byte) (value []byte, found bool, err error) {
	if err := v.lockForRead(); err != nil {
		return dst, false, err
	}
	db := v.db
	defer db.unlock(&err)
	if err := db.find(&db.scratch.viewed, v.version, false, key); err != nil {
		return dst, false, err
	}
	return db.appendValue(&db.scratch.viewed, dst)
}

// Has reports whether the key has a value: see DB.Has.
func (v *View) Has(key []byte) (found bool, err error) {
	if err := v.lockForRead(); err != nil {
		return false, err
	}
	defer v.db.unlock(&err)
	return v.db.exists(&v.db.scratch.viewed, v.version, false, key)
}

// Iterator returns an iterator over the keys in [from, to). A nil from is the lowest key, a nil
// to is the end. Close the iterator; this may happen after the view is closed.
func (v *View) Iterator(from, to []byte) (*Iterator, error) {
	return v.iterator(run.Range{From: from, To: to}, callerOf())
}

// iterator is Iterator for callers that pass the place where it was opened.
func (v *View) iterator(within run.Range, opened caller) (_ *Iterator, err error) {
	if err := v.lockForRead(); err != nil {
		return nil, err
	}
	defer v.db.unlock(&err)
	return v.db.scan(v.version, v.run, within, opened), nil
}
