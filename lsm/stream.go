package lsm

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Stream returns a reader of the key's value, for values of any size, and the size in bytes.
// found reports whether the key has a value. The stream has a snapshot of its own: close it.
// After that, or after the store is closed, Read returns ErrClosed.
func (db *DB) Stream(key []byte) (value io.ReadCloser, size int64, found bool, err error) {
	opened := callerOf()
	v, err := db.view(opened)
	if err != nil {
		return nil, 0, false, err
	}
	value, size, found, err = v.stream(key, opened)
	if err != nil || !found {
		return nil, 0, false, errors.Join(err, v.Close())
	}
	return &ownedStream{value, v}, size, true, nil
}

// Stream returns a reader of the key's value: see DB.Stream. Close it.
func (v *View) Stream(key []byte) (value io.ReadCloser, size int64, found bool, err error) {
	return v.stream(key, callerOf())
}

// stream returns a reader of the key's value, which owns an iterator over this key only.
func (v *View) stream(key []byte, opened caller) (value io.ReadCloser, size int64, found bool, err error) {
	it, err := v.iterator(run.Range{From: key, To: append(key[:len(key):len(key)], 0)}, opened)
	if err != nil {
		return nil, 0, false, err
	}
	if !it.Next() {
		return nil, 0, false, errors.Join(it.Err(), it.Close())
	}
	return &stream{it.ValueReader(), it}, it.ValueSize(), true, nil
}

// stream reads the value at which its iterator stands.
type stream struct {
	io.Reader
	it *Iterator
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.it.Close() }

// ownedStream is a stream that closes its view.
type ownedStream struct {
	io.ReadCloser
	v *View
}

// Close implements io.Closer.
func (s *ownedStream) Close() error { return errors.Join(s.ReadCloser.Close(), s.v.Close()) }

// valueReader reads the value at which an iterator stands, until the iterator moves.
type valueReader struct {
	it     *Iterator
	moves  uint64 // of the walk, when the reader was made
	pieces io.Reader
	offset int64 // bytes read so far
}

// Read implements io.Reader.
func (r *valueReader) Read(p []byte) (int, error) {
	if err := r.it.checkOpen(); err != nil {
		return 0, err
	}
	if r.it.walk.moves != r.moves {
		return 0, fmt.Errorf("the iterator has moved since ValueReader was called: %w", ErrClosed)
	}
	n, err := r.pieces.Read(p)
	for errors.Is(err, version.ErrFlushed) && n == 0 {
		if err = r.reopen(); err == nil {
			n, err = r.pieces.Read(p)
		}
	}
	r.offset += int64(n)
	return n, err
}

// reopen continues in the table that a flush has written the value to.
func (r *valueReader) reopen() error {
	w := r.it.walk
	if err := w.reposition(); err != nil {
		return err
	}
	r.pieces = w.merger.Lookup.Reader()
	_, err := io.CopyN(io.Discard, r.pieces, r.offset)
	return err
}
