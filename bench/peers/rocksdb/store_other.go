//go:build !cgo || !(linux || darwin)

package rocksdb

// DB is a store. It cannot be opened on this platform.
type DB struct{}

// Available returns ErrUnavailable.
func Available() error { return ErrUnavailable }

// Open returns ErrUnavailable.
func Open(string, Options) (*DB, error) { return nil, ErrUnavailable }

// Put returns ErrUnavailable.
func (*DB) Put(_, _ []byte) error { return ErrUnavailable }

// Delete returns ErrUnavailable.
func (*DB) Delete([]byte) error { return ErrUnavailable }

// Append returns ErrUnavailable.
func (*DB) Append(_, _ []byte) error { return ErrUnavailable }

// Get returns ErrUnavailable.
func (*DB) Get([]byte) ([]byte, bool, error) { return nil, false, ErrUnavailable }

// GetAll returns ErrUnavailable.
func (*DB) GetAll(*Batch) (int, error) { return 0, ErrUnavailable }

// ChangeAll returns ErrUnavailable.
func (*DB) ChangeAll(*Batch, uint64) (int, error) { return 0, ErrUnavailable }

// Walk returns ErrUnavailable.
func (*DB) Walk([]byte, func(key, value []byte) error) error { return ErrUnavailable }

// Snapshot returns ErrUnavailable.
func (*DB) Snapshot() error { return ErrUnavailable }

// Settle returns ErrUnavailable.
func (*DB) Settle() error { return ErrUnavailable }

// DiskBytes returns 0.
func (*DB) DiskBytes() int64 { return 0 }

// Close returns ErrUnavailable.
func (*DB) Close() error { return ErrUnavailable }
