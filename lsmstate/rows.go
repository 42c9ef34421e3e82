package lsmstate

import (
	"errors"
	"io"
	"math"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// Get implements backend.ByteBackend.
func (b *Backend) Get(key []byte) (value []byte, ok bool, err error) {
	db, err := b.store()
	if err != nil {
		return nil, false, err
	}
	value, ok, err = db.Peek(key)
	if err == nil {
		return value, ok, nil
	}
	if !errors.Is(err, lsm.ErrTooLarge) {
		return nil, false, ofTree(err)
	}
	return b.getLarge(key)
}

// getLarge reads a value that is larger than the tree reads as a whole, as one of
// the largest size is with what is stored before it.
func (b *Backend) getLarge(key []byte) (value []byte, ok bool, err error) {
	r, size, ok, err := b.db.Stream(key)
	if err != nil || !ok {
		return nil, false, ofTree(err)
	}
	value, err = readAll(r, size, nil)
	return value, err == nil, errors.Join(err, ofTree(r.Close()))
}

// readAll reads a value of so many bytes into the memory of dst.
func readAll(r io.Reader, size int64, dst []byte) ([]byte, error) {
	if size > math.MaxInt {
		return nil, &backend.SizeError{Of: backend.ErrValueTooLarge, Size: size, Limit: math.MaxInt}
	}
	if int64(cap(dst)) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	_, err := io.ReadFull(r, dst)
	return dst, ofTree(err)
}

// Set implements backend.ByteBackend.
func (b *Backend) Set(key, value []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	if int64(len(value)) > b.options.MaxValueSize {
		return b.writeLarge(b.batch.Put, key, value)
	}
	return ofTree(db.Put(key, value))
}

// writeLarge writes a value that is larger than the tree takes at once, as a
// beginning and a rest that is appended to it, both or neither.
func (b *Backend) writeLarge(begin func(key, value []byte), key, value []byte) error {
	begin(key, value[:b.options.MaxValueSize])
	b.batch.Append(key, value[b.options.MaxValueSize:])
	err := b.db.Apply(&b.batch)
	b.batch = lsm.Batch{} // as large as the value
	return ofTree(err)
}

// Delete implements backend.ByteBackend.
func (b *Backend) Delete(key []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	return ofTree(db.Delete(key))
}

// DeletePrefix implements backend.ByteBackend for what the tree cuts as a prefix: key
// and namespace. It is one tombstone.
func (b *Backend) DeletePrefix(prefix []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	return ofTree(db.DeletePrefix(prefix))
}
