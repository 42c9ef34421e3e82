package lsm

import (
	"errors"
	"io"
)

// Stream reads the key's value in pieces, whatever its size: size is what it
// will give, found is false if there is none. It belongs to a snapshot of its
// own; whoever asks closes it.
func (db *DB) Stream(key []byte) (value io.ReadCloser, size int64, found bool, err error) {
	v, err := db.View()
	if err != nil {
		return nil, 0, false, err
	}
	value, size, found, err = v.Stream(key)
	if err != nil || !found {
		return nil, 0, false, closeAfter(v, err)
	}
	return &ownedStream{value, v}, size, true, nil
}

// Stream reads a value in pieces: see DB.Stream. Close it.
func (v *View) Stream(key []byte) (value io.ReadCloser, size int64, found bool, err error) {
	it, err := v.Iterator(key, append(key[:len(key):len(key)], 0))
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

func closeAfter(c io.Closer, err error) error { return errors.Join(err, c.Close()) }
