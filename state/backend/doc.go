// Package backend defines the interfaces between keyed state and what stores it. Programs that
// use state import package state; only implementations of backends, and code that several
// backends share, import this package. The two packages relate to each other as database/sql
// and database/sql/driver.
//
//	program ──► package state        types, codecs, checks, limits, namespaces
//	                 │
//	                 ▼
//	            this package         Backend, and one of:
//	             │         │
//	             ▼         ▼
//	      ByteBackend   HeapBackend  rows of bytes  |  an index over typed tables
//	             │         │
//	             └────┬────┘
//	                  ▼
//	              TimerQueue         timers of both
//
// # Implementing a backend
//
// A backend implements Backend and one of two interfaces. Package state does everything else:
// types, checks, limits, namespaces, and the meaning of each operation.
//
//   - ByteBackend stores rows of bytes, ordered by composite key. A store on disk is one.
//   - HeapBackend supplies an Index for each Table of typed rows that package state creates. It
//     stores no keys and no values.
//   - TimerQueue stores the timers of either. NewTimerRows returns one on a ByteBackend.
//
// A backend with snapshots also implements snapshot.Backend. Package state/statetest tests all
// duties of a backend.
//
// # Duties of every backend
//
//   - It creates its Registry by NewRegistry from the Options that it was opened with, and
//     returns the error. The same call checks its own options and its directory.
//   - Close calls Registry.Close. Package state refuses most calls afterwards. The calls that
//     still reach the backend return ErrClosed: Scan, a step of an open cursor, and View and Load
//     of a snapshot. A second Close returns nil. Views stay readable.
//   - It learns the size of encoded keys (Registry.KeySize) and each state (AddTable, AddState,
//     AddTimers) before the first row. It opens its files in these calls, so that an error is
//     returned by the declaration and not by a Get.
//   - Scan, and Load of a snapshot, return ErrUnknownState for a state ID that Registry.Info does
//     not know.
//   - Load returns ErrCorrupt for bytes that cannot be a row, and ErrKeyGroup for a key group
//     that the backend does not own. Registry.SplitRow checks both.
//   - Load gets a list as rows whose suffixes another backend has chosen. They arrive in the order
//     of the list and have any size. The backend keeps the order, with these suffixes or its own.
//     A suffix that it chooses later must sort after all that it has loaded.
//   - It never panics, and no error contains a key or a value.
//
// One goroutine, the task's, calls an instance. Only views are read by other goroutines.
//
// This package must not know any backend, any type of key or value, nor how or where a snapshot
// is written.
package backend
