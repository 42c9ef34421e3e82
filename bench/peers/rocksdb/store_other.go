//go:build !cgo || !(linux || darwin)

package rocksdb

// DB cannot be opened on this platform.
type DB struct{}

// Available is always ErrUnavailable.
func Available() error { return ErrUnavailable }

// Open is always ErrUnavailable.
func Open(string, Options) (*DB, error) { return nil, ErrUnavailable }

func (*DB) Put(_, _ []byte) error                            { return ErrUnavailable }
func (*DB) Delete([]byte) error                              { return ErrUnavailable }
func (*DB) Append(_, _ []byte) error                         { return ErrUnavailable }
func (*DB) Get([]byte) ([]byte, bool, error)                 { return nil, false, ErrUnavailable }
func (*DB) GetAll(*Batch) (int, error)                       { return 0, ErrUnavailable }
func (*DB) ChangeAll(*Batch, uint64) (int, error)            { return 0, ErrUnavailable }
func (*DB) Walk([]byte, func(key, value []byte) error) error { return ErrUnavailable }
func (*DB) Snapshot() error                                  { return ErrUnavailable }
func (*DB) Settle() error                                    { return ErrUnavailable }
func (*DB) DiskBytes() int64                                 { return 0 }
func (*DB) Close() error                                     { return ErrUnavailable }
