// Package backend is the seam of keyed state: what a backend implements, and what it is
// given to do so. Programs that use state import package state; only who writes a backend,
// or what backends share, imports this one. The two are to each other as database/sql and
// database/sql/driver.
//
// # What to implement
//
// A backend implements Backend and one of its halves. Package state does the rest: types,
// checks, limits, namespaces, and the meaning of every operation.
//
//   - ByteBackend keeps rows of bytes, ordered by composite key. A store on disk is one.
//   - HeapBackend keeps nothing but the places of rows: it supplies an Index over the
//     typed Table that package state makes for each state.
//   - TimerQueue is for the timers of either.
//
// A backend that is to be snapshotted implements snapshot.Backend as well. The kit in
// state/statetest runs every duty of a backend against it.
//
// # What every backend does
//
//   - It makes its Registry with NewRegistry, from the Options that it was opened with, and
//     returns the error: the registry knows which options make sense. What else can be
//     wrong with options or a directory is an error of the same call.
//   - Its Close calls Registry.Close. Package state refuses most calls from then on; those
//     that still reach the backend return ErrClosed: Scan, a step of a cursor that is open,
//     the View and Load of a snapshot. A second Close returns nil. Views stay readable.
//   - It knows the size of encoded keys (Registry.KeySize) and each state (AddTable,
//     AddState, AddTimers) before the first row. What must be opened for them is opened
//     there, so that its error is one of the declaration and not of a Get.
//   - An operation that names a state by an id which Registry.Info does not know is
//     ErrUnknownState: Scan, and the Load of a snapshot.
//   - Bytes of a snapshot that cannot be a row are ErrCorrupt, and a key group that it does
//     not own is ErrKeyGroup: Registry.SplitRow tells.
//   - A list of a snapshot comes as rows whose suffixes another backend has chosen. They are
//     in the order of the list, and of any size. A backend keeps that order, whether it keeps
//     these suffixes or gives its own, and appends behind them: a suffix that it makes later
//     must sort after every one that it has loaded.
//   - No panic leaves it, and no error quotes a key or a value.
//
// One instance is called by one goroutine, its task's. Only what a view or a snapshot reads
// is read by others.
//
// This package knows no backend, no type of key or value, and not how or where a snapshot
// is written.
package backend
