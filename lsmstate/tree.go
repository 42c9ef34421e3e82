package lsmstate

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
)

// tree is the store of a backend. It is discarded, and its directory removed, when the
// backend and all of its views have let go of it. If a lock of it was lost, the
// directory stays as it is.
//
// Thread safety: safe for concurrent use, but for db, which has an owner.
type tree struct {
	db        *lsm.DB
	directory *directory
	holders   atomic.Int32
}

// openTree opens a tree, or makes an empty one.
func openTree(ctx context.Context, d *directory, o *lsm.Options) (*tree, error) {
	if err := d.checkTree(); err != nil {
		return nil, err
	}
	db, err := lsm.Open(ctx, d.tree(), *o)
	if err != nil {
		return nil, err
	}
	t := &tree{db: db, directory: d}
	t.holders.Store(1)
	return t, nil
}

func (t *tree) hold() { t.holders.Add(1) }

// release gives up one hold.
func (t *tree) release() error {
	if t.holders.Add(-1) > 0 {
		return nil
	}
	err := ofTree(t.db.Discard())
	if errors.Is(err, ErrLockLost) { // what is there may be somebody else's
		return errors.Join(err, t.directory.lock.Close())
	}
	return errors.Join(err, t.directory.close())
}
