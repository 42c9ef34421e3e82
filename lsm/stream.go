package lsm

import (
	"errors"
	"fmt"
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Stream reads the key's value in pieces, whatever its size: size is what it
// will give, found is false if there is none. It belongs to a snapshot of its
// own; whoever asks closes it. Read returns ErrClosed afterwards, and once the store
// is closed.
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

// Stream reads a value in pieces: see DB.Stream. Close it.
func (v *View) Stream(key []byte) (value io.ReadCloser, size int64, found bool, err error) {
	return v.stream(key, callerOf())
}

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

// stream is a value with the iterator that stands at it.
type stream struct {
	io.Reader
	it *Iterator
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.it.Close() }

// ownedStream is a stream with a view of its own.
type ownedStream struct {
	io.ReadCloser
	v *View
}

// Close implements io.Closer.
func (s *ownedStream) Close() error { return errors.Join(s.ReadCloser.Close(), s.v.Close()) }

// valueReader reads the value at which an iterator stands, for as long as it does.
type valueReader struct {
	it     *Iterator
	moves  uint64 // of the walk, where the value is
	pieces io.Reader
	offset int64 // bytes that were read
}

// Read implements io.Reader.
func (r *valueReader) Read(p []byte) (int, error) {
	if err := r.it.checkOpen(); err != nil {
		return 0, err
	}
	if r.it.walk.moves != r.moves {
		return 0, fmt.Errorf("the iterator has left the value: %w", ErrClosed)
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

// reopen finds the value in the file that it was flushed to.
func (r *valueReader) reopen() error {
	w := r.it.walk
	if err := w.standAgain(); err != nil {
		return err
	}
	r.pieces = w.merger.Lookup.Reader()
	_, err := io.CopyN(io.Discard, r.pieces, r.offset)
	return err
}
