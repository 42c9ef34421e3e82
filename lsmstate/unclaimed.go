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

// dropUnclaimed deletes the rows and timers of states that the program has not declared,
// so that no later snapshot has them.
//
// One iterator goes through the tree once and seeks past all that stays. The cost depends
// on the prefixes that are deleted and on the states that have rows in a key group, not on
// the product of key groups and states.
func (b *Backend) dropUnclaimed(ctx context.Context, unclaimed []backend.ID) (err error) {
	if len(unclaimed) == 0 {
		return nil
	}
	ids := slices.Sorted(slices.Values(unclaimed))
	v, err := b.db.View() // an iterator of the store would seal it after each delete
	if err != nil {
		return ofTree(err)
	}
	defer func() { err = errors.Join(err, ofTree(v.Close())) }()
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

// eachState calls visit with an iterator over a view from a key on, at its first row and then
// at each one to which visit has moved it, until that reports that there is none.
func eachState(ctx context.Context, v *lsm.View, from []byte, visit func(it *lsm.Iterator, number uint16, id backend.ID) (more bool, err error)) error {
	it, err := v.Iterator(from, nil)
	if err != nil {
		return ofTree(err)
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
	return errors.Join(err, ofTree(it.Err()), ofTree(it.Close()))
}

// dropPrefix deletes the prefix of the row at which an iterator stands, and moves the
// iterator to the first row of another one.
func (b *Backend) dropPrefix(it *lsm.Iterator) (more bool, err error) {
	prefix := bytes.Clone(it.Key()[:b.options.Split.Func(it.Key())])
	if err := b.db.DeletePrefix(prefix); err != nil {
		return false, ofTree(err)
	}
	if more = it.Next(); more && bytes.HasPrefix(it.Key(), prefix) {
		after := afterPrefix(prefix)
		more = after != nil && it.Seek(after)
	}
	return more, nil
}

// afterPrefix makes of a prefix the first key after all that begin with it, nil if there is
// none.
func afterPrefix(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1]++; prefix[n-1] > 0 {
			return prefix[:n]
		}
	}
	return nil
}
