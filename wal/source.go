package wal

import (
	"context"
	"errors"
	"io"

	"github.com/weirstate/weir/vfs"
)

// windowBytes is the size of a read.
const windowBytes = 256 << 10

// source reads a file through a window that moves forward. It uses as much memory as the
// window, or as the largest piece requested.
type source struct {
	ctx       context.Context
	file      vfs.File
	sizeBytes int64
	window    []byte
	at        int64 // position of the window in the file
}

// bytes returns n bytes at a position, fewer only at the end of the file. They are valid until
// the next call.
func (s *source) bytes(at int64, n int) ([]byte, error) {
	n = int(max(0, min(int64(n), s.sizeBytes-at)))
	skip := at - s.at
	if skip < 0 || skip+int64(n) > int64(len(s.window)) {
		if err := s.move(at, n); err != nil {
			return nil, err
		}
		skip = 0
	}
	return s.window[skip:][:n], nil
}

// move makes the window begin at a position, with at least n bytes. It is the only place that
// reads the file and checks the context.
func (s *source) move(at int64, n int) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	kept := 0
	if skip := at - s.at; 0 <= skip && skip < int64(len(s.window)) {
		kept = copy(s.window, s.window[skip:])
	}
	size := int(min(int64(max(n, windowBytes)), s.sizeBytes-at))
	if size > cap(s.window) {
		s.window = append(make([]byte, 0, size), s.window[:kept]...)
	}
	s.at, s.window = at, s.window[:size]
	got, err := s.file.ReadAt(s.window[kept:], at+int64(kept))
	if got == size-kept {
		return nil
	}
	s.window = s.window[:0]
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // the file was truncated while being read
	}
	return err
}
