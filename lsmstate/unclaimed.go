package lsmstate

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// dropUnclaimed deletes the rows and timers of states that the program has not declared, so that
// later snapshots do not have them.
//
// It uses one iterator over the tree, which seeks past the rows that stay. The cost depends on the
// number of deleted prefixes and on the number of states with rows in each key group, not on the
// product of key groups and declared states.
func (b *Backend) dropUnclaimed(ctx context.Context, unclaimed []backend.ID) (err error) {
	if len(unclaimed) == 0 {
		return nil
	}
	ids := slices.Sorted(slices.Values(unclaimed))
	v, err := b.db.View() // an iterator of the store would seal the memtable after each delete
	if err != nil {
		return wrapLSMError(err)
	}
	defer func() { err = errors.Join(err, wrapLSMError(v.Close())) }()
	return eachState(ctx, v, nil, func(it *lsm.Iterator, number uint16, id backend.ID) (bool, error) {
		at, found := slices.BinarySearch(ids, id)
		switch {
		case found:
			return b.dropPrefix(it)
		case at < len(ids):
			return it.Seek(backend.AppendHeader(nil, number, ids[at])), nil
		case number == math.MaxUint16:
			return false, nil
		}
		return it.Seek(partition(number + 1)), nil
	})
}

// eachState calls visit with an iterator over the rows of a view from key from on: first at the
// first row, then at each row to which visit has moved the iterator. It ends when visit returns
// more false.
func eachState(ctx context.Context, v *lsm.View, from []byte, visit func(it *lsm.Iterator, number uint16, id backend.ID) (more bool, err error)) error {
	it, err := v.Iterator(from, nil)
	if err != nil {
		return wrapLSMError(err)
	}
	for more := it.Next(); more && err == nil; {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		var number uint16
		var id backend.ID
		if number, id, _, err = backend.SplitHeader(it.Key()); err == nil {
			more, err = visit(it, number, id)
		}
	}
	return errors.Join(err, wrapLSMError(it.Err()), wrapLSMError(it.Close()))
}

// dropPrefix deletes the prefix of the iterator's current row and moves the iterator to the first
// row of the next prefix.
func (b *Backend) dropPrefix(it *lsm.Iterator) (more bool, err error) {
	prefix := bytes.Clone(it.Key()[:b.options.Split.Func(it.Key())])
	if err := b.db.DeletePrefix(prefix); err != nil {
		return false, wrapLSMError(err)
	}
	if more = it.Next(); more && bytes.HasPrefix(it.Key(), prefix) {
		after := afterPrefix(prefix)
		more = after != nil && it.Seek(after)
	}
	return more, nil
}

// afterPrefix returns the first key above all keys that begin with prefix, nil if there is no such
// key. It changes prefix.
func afterPrefix(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1]++; prefix[n-1] > 0 {
			return prefix[:n]
		}
	}
	return nil
}
