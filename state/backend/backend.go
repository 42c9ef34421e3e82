package backend

// Backend is the seam between typed states and what keeps them. A backend
// implements HeapBackend or ByteBackend; package state does the rest: typing,
// checks, limits, namespaces, and the meaning of every operation.
//
// Thread safety: a backend belongs to one goroutine, the task's.
type Backend interface {
	// Registry is what the backend was opened with and what was declared on it.
	// It is the same for the life of the backend.
	Registry() *Registry

	// AddTimers returns the queue of one domain of a timer service. It is
	// called once for each domain when the service is declared, after the codec of
	// keys is known. An error of it is one of the declaration, which may be tried
	// again.
	AddTimers(Info, Domain) (TimerQueue, error)

	// Scan calls yield with every row of a state as it is at the call: the
	// composite key and the stored value, ordered by composite key, both good
	// until yield returns. Yield may write to the backend; an error of yield
	// ends the scan and is returned. It is ErrUnknownState for a state that is not
	// declared, and ErrClosed after Close.
	Scan(id ID, yield func(key, value []byte) error) error

	// Close releases what the backend holds, and closes its Registry. It never
	// deletes a snapshot, and views stay readable. Closing twice is no error.
	Close() error
}

// HeapBackend keeps typed tables on the heap. The tables are those of package
// state; the backend supplies an index that finds rows in them.
type HeapBackend interface {
	Backend
	// AddTable returns an empty index for the table of a newly declared state. An
	// error of it is one of the declaration, which may be tried again.
	AddTable(Info, Table) (Index, error)
}

// ByteBackend keeps rows of bytes ordered by composite key.
//
// Keys and values that are passed in are the caller's again when the method
// returns. The results may be the backend's own memory: they must not be
// modified, and are good until the next call of any method. After Close each is
// ErrClosed.
type ByteBackend interface {
	Backend
	// AddState is told of a newly declared state, after the codec of keys is known
	// and before its first row. A backend that opens what it keeps rows in only now
	// does it here: an error is one of the declaration, which may be tried again.
	AddState(Info) error
	// Get returns the value under a key.
	Get(key []byte) (value []byte, ok bool, err error)
	// Set stores a value under a key.
	Set(key, value []byte) error
	// Delete removes a key; removing nothing is no error.
	Delete(key []byte) error
	// Append adds value, which is not empty, at the end of what is stored under
	// prefix. The backend may start a new row for it, with a suffix of its own
	// choosing, or join it to the last one: a scan of the prefix yields all
	// that was appended, in order. A prefix is appended to or set, never both.
	Append(prefix, value []byte) error
	// DeletePrefix removes every key that starts with prefix.
	DeletePrefix(prefix []byte) error
	// ScanPrefix returns a cursor before the first key at or above from, of those that
	// start with prefix, as from does. From the prefix on it walks all of them. It must
	// find the first one without a walk over the rows below. An error comes from its first
	// step.
	ScanPrefix(prefix, from []byte) Cursor
	// Floor returns the row with the greatest key at or below key, of those that
	// start with prefix, as key does. It must find it without a walk over the rows
	// below.
	Floor(prefix, key []byte) (found, value []byte, ok bool, err error)
}

// Cursor walks the rows under a prefix. It is live: each step goes to the
// smallest key that is greater than the last one returned, as the backend
// stands at that step.
type Cursor interface {
	// Next moves on and returns the row, ok false at the end. Key and value
	// are good until the next call of any method of cursor or backend. It is
	// ErrClosed after Close of the backend.
	Next() (key, value []byte, ok bool, err error)
	// Close releases the cursor.
	Close() error
}
