package vfstest

import (
	"errors"

	"github.com/weirstate/weir/vfs"
)

// faultyFile is an open file of a Faulty.
type faultyFile struct {
	f     *Faulty
	inner vfs.File
	name  string
}

var _ vfs.File = (*faultyFile)(nil)

// Read implements File.
func (h *faultyFile) Read(p []byte) (int, error) {
	return get(h.f, OpRead, h.name, func() (int, error) { return h.inner.Read(p) })
}

// ReadAt implements File.
func (h *faultyFile) ReadAt(p []byte, offset int64) (int, error) {
	return get(h.f, OpReadAt, h.name, func() (int, error) { return h.inner.ReadAt(p, offset) })
}

// Write implements File.
func (h *faultyFile) Write(p []byte) (int, error) {
	defer h.f.end(OpWrite, h.name)
	err := h.f.start(OpWrite, h.name)
	if err == nil {
		return h.inner.Write(p)
	}
	var short *shortWrite
	if !errors.As(err, &short) {
		return 0, err
	}
	n, innerErr := h.inner.Write(p[:len(p)/2])
	if innerErr != nil {
		return n, innerErr
	}
	return n, err
}

// Sync implements File.
func (h *faultyFile) Sync() error {
	defer h.f.end(OpSync, h.name)
	if err := h.f.start(OpSync, h.name); err != nil {
		h.dropUnsynced()
		return err
	}
	return h.inner.Sync()
}

// dropUnsynced implements unsyncedDropper.
func (h *faultyFile) dropUnsynced() {
	if d, ok := h.inner.(unsyncedDropper); ok {
		d.dropUnsynced()
	}
}

// Size implements File.
func (h *faultyFile) Size() (int64, error) {
	return get(h.f, OpSize, h.name, h.inner.Size)
}

// NextData implements vfs.HoleFinder. It is not counted, because it cannot fail.
func (h *faultyFile) NextData(at, sizeBytes int64) int64 {
	return vfs.NextData(h.inner, at, sizeBytes)
}

// Close closes the file even if it fails.
func (h *faultyFile) Close() error { return h.f.close(OpClose, h.name, h.inner) }
