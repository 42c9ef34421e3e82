package backend

// Backend stores the states of one subtask. An implementation also implements HeapBackend or
// ByteBackend.
//
// Thread safety: a backend belongs to one goroutine, the task's.
type Backend interface {
	// Registry returns the options of the backend and its declared states. It returns the
	// same registry each time.
	Registry() *Registry

	// AddTimers returns the queue of one domain of a timer service. The declaration of the
	// service calls it once for each domain, after the key codec is known. If AddTimers
	// fails, the declaration returns the error, and the program may declare the service again.
	AddTimers(Info, Domain) (TimerQueue, error)

	// Scan calls yield with the composite key and the stored value of each row that a state
	// has at the time of the call, ordered by composite key. Both slices are valid until
	// yield returns. Yield may write to the backend. Scan returns the error of yield, which
	// ends the scan, ErrUnknownState for a state that is not declared, and ErrClosed after
	// Close.
	Scan(id ID, yield func(key, value []byte) error) error

	// Close closes the Registry and releases memory and files. It never deletes a snapshot.
	// Views stay readable. A second Close returns nil.
	Close() error
}

// HeapBackend stores states as Go values. Package state holds the values in typed tables; the
// backend supplies an index for each table.
type HeapBackend interface {
	Backend
	// AddTable returns an empty index for the table of a newly declared state. If AddTable
	// fails, the declaration returns the error, and the program may declare the state again.
	AddTable(Info, HeapTable) (Index, error)
}

// ByteBackend stores rows of bytes, ordered by composite key.
//
// A backend copies keys and values that it keeps; the caller may reuse them when the method
// returns. Results may be memory of the backend: the caller must not modify them, and they are
// valid until the next call of any method. After Close all methods return ErrClosed.
type ByteBackend interface {
	Backend
	// AddState announces a newly declared state, after the key codec is known and before
	// the first row. A backend that opens its store late opens it here. If AddState fails,
	// the declaration returns the error, and the program may declare the state again.
	AddState(Info) error
	// Get returns the value of a key. It returns false if the key has no value.
	Get(key []byte) (value []byte, ok bool, err error)
	// Set stores the value of a key.
	Set(key, value []byte) error
	// Delete removes a key. Removing a missing key is no error.
	Delete(key []byte) error
	// Append appends a value, which is not empty, to the rows under a prefix. The backend
	// may add a row with a suffix of its choice or extend the last row. A scan of the
	// prefix must yield all appended bytes in order. Package state never calls both Append
	// and Set for one prefix.
	Append(prefix, value []byte) error
	// DeletePrefix removes every key that starts with prefix.
	DeletePrefix(prefix []byte) error
	// ScanPrefix returns a cursor over the rows whose keys start with prefix and are at or
	// above from. From starts with prefix; from == prefix scans all of them. The cursor must
	// find its first row by a seek, not by a scan. Its first step returns errors.
	ScanPrefix(prefix, from []byte) Cursor
	// Floor returns the row with the greatest key that starts with prefix and is at or
	// below key, which starts with prefix too. It must find the row by a seek, not by a
	// scan. It returns false if there is no such row.
	Floor(prefix, key []byte) (found, value []byte, ok bool, err error)
}

// Cursor iterates over the rows under a prefix. It sees writes that happen during the iteration:
// each step returns the row with the smallest key that the backend has above the key returned
// before.
type Cursor interface {
	// Next returns the next row, or false at the end. Key and value are valid until the next
	// call of any method of the cursor or the backend. Next returns ErrClosed after Close of
	// the backend.
	Next() (key, value []byte, ok bool, err error)
	// Close releases the cursor. The caller must not use the cursor any longer: the backend may
	// return it from the next ScanPrefix.
	Close() error
}
