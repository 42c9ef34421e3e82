package lsmstate

import (
	"bytes"
)

// Get implements backend.KeyView. It is a lookup in the tree, with filters and cache. It holds the
// lock of the store, so the task may wait while Get reads a block.
func (v *view) Get(key, dst []byte) (value []byte, ok bool, err error) {
	if err := v.readers.Enter(); err != nil {
		return dst, false, err
	}
	defer v.readers.Leave()
	if _, _, _, err := v.states.SplitKey(key, v.keyspace.Groups); err != nil || v.tree == nil {
		return dst, false, err
	}
	value, ok, err = v.view.Get(key, dst)
	return value, ok, wrapLSMError(err)
}

// ScanPrefix implements backend.KeyView. It uses an iterator, which does not hold the lock of the
// store while it reads.
func (v *view) ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) (err error) {
	if err := v.readers.Enter(); err != nil {
		return err
	}
	defer v.readers.Leave()
	if _, _, _, err := v.states.SplitKey(prefix, v.keyspace.Groups); err != nil || v.tree == nil {
		return err
	}
	it, err := v.view.Iterator(from, afterPrefix(bytes.Clone(prefix)))
	if err != nil {
		return wrapLSMError(err)
	}
	defer func() {
		if closed := it.Close(); err == nil {
			err = wrapLSMError(closed)
		}
	}()
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			return wrapLSMError(err)
		}
		if err := yield(it.Key(), value); err != nil {
			return err
		}
	}
	return wrapLSMError(it.Err())
}
