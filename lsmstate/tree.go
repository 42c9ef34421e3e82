package lsmstate

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
)

// tree is the store of a backend, with a count of references: one of the backend and one of each
// view. When the last reference is released, the store is discarded and the files in its directory
// are removed. If a lock was lost, the directory is not changed.
//
// Thread safety: safe for concurrent use, except db, which belongs to the task's goroutine.
type tree struct {
	db         *lsm.DB
	directory  *directory
	references atomic.Int32
}

// openTree opens the tree in a directory, or makes an empty one. The caller has one reference.
func openTree(ctx context.Context, d *directory, o *lsm.Options) (*tree, error) {
	if err := d.checkTree(); err != nil {
		return nil, err
	}
	db, err := lsm.Open(ctx, d.tree(), *o)
	if err != nil {
		return nil, err
	}
	t := &tree{db: db, directory: d}
	t.references.Store(1)
	return t, nil
}

// retain adds a reference.
func (t *tree) retain() { t.references.Add(1) }

// release releases a reference.
func (t *tree) release() error {
	if t.references.Add(-1) > 0 {
		return nil
	}
	err := wrapLSMError(t.db.Discard())
	if errors.Is(err, ErrLockLost) { // the files may belong to another process
		return errors.Join(err, t.directory.lock.Close())
	}
	return errors.Join(err, t.directory.close())
}
