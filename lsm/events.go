package lsm

import (
	"sync/atomic"
	"time"
)

// Events are functions that are told what goes on. Those that are nil are not.
// They are called by whoever does it, some under the lock of the store: they must
// return soon and must not call the store. One that panics is not called any more; Close
// returns the panic.
type Events struct {
	// LogReplayed is called for each log that opening has read.
	LogReplayed func(LogInfo)
	// Flushed is called when a run has become part of the tree.
	Flushed func(FlushInfo)
	// FlushFailed is called when a flush has failed; it is tried again.
	FlushFailed func(error)
	// Compacted is called when a compaction has become part of the tree.
	Compacted func(CompactionInfo)
	// CompactionFailed is called when a compaction has failed, or waits for room on
	// the disk; it is tried again, unless a file is damaged or the Picker or the Filter is wrong.
	CompactionFailed func(error)
	// TableRemoved is called when the file of a table that nobody needs any
	// more was removed, or could not be.
	TableRemoved func(TableInfo)
	// Stalled is called when a write has waited since the workers cannot keep
	// up.
	Stalled func(time.Duration)
	// LeftBehind is called when a file that nobody needs could not be removed,
	// or closed. It is removed when the store is opened next, unless it is
	// ErrNotRegular: somebody else has put it there, and it stays.
	LeftBehind func(error)
	// LogFailed is called when the log could not be written. Writes are ErrStalled
	// until all that it has is in tables and there is a new one.
	LogFailed func(error)
	// TableLost is called when opening the store has found a whole table that no
	// manifest names, after an end without Close, and has set it aside: its file
	// ends with ".lost" then. See docs/format-manifest.md.
	TableLost func(TableInfo)
	// Failed is called when the store writes nothing any more: see ErrFailed.
	Failed func(error)
}

// LogInfo describes a log that was read.
type LogInfo struct {
	Log   uint64 // number, which names it
	Bytes int64  // that count
	// Clean says that the log has its end. If not, what was written last may
	// be gone, as far as no sync was waited for.
	Clean bool
}

// FlushInfo describes a flush.
type FlushInfo struct {
	Run     uint64 // number; of several runs, that of the newest
	File    uint64 // number, which names it
	Bytes   int64  // of the file
	Entries int64
	Took    time.Duration
}

// CompactionInfo describes a compaction.
type CompactionInfo struct {
	// From and To are levels: of the first input, and of the output.
	From, To int
	// Files and bytes that were read, and written. What was read of files that are
	// not used up is taken from where they were cut.
	FilesRead, FilesWritten int
	BytesRead, BytesWritten int64
	// Moved says that a file went to another level as it is: nothing was read or
	// written.
	Moved bool
	// Dropped says that FilesRead files went unread, since a newer DeleteRange
	// hides all that they have. From and To are not set.
	Dropped bool
	Took    time.Duration
}

// TableInfo describes a file that was removed, or set aside.
type TableInfo struct {
	File  uint64 // number, which names it
	Bytes int64
	Err   error // nil if it was
}

// report tells of an error that harms nobody. The functions are guarded.
func (e *Events) report(err error) {
	if err != nil {
		e.LeftBehind(err)
	}
}

// guarded returns functions that never panic, and do nothing where e has none.
func (e Events) guarded(panics *eventPanics) Events {
	guardEvent(&e.LogReplayed, "LogReplayed", panics)
	guardEvent(&e.Flushed, "Flushed", panics)
	guardEvent(&e.FlushFailed, "FlushFailed", panics)
	guardEvent(&e.Compacted, "Compacted", panics)
	guardEvent(&e.CompactionFailed, "CompactionFailed", panics)
	guardEvent(&e.TableRemoved, "TableRemoved", panics)
	guardEvent(&e.Stalled, "Stalled", panics)
	guardEvent(&e.LeftBehind, "LeftBehind", panics)
	guardEvent(&e.LogFailed, "LogFailed", panics)
	guardEvent(&e.TableLost, "TableLost", panics)
	guardEvent(&e.Failed, "Failed", panics)
	return e
}

// guardEvent makes a panic of a function the last call of it.
func guardEvent[T any](f *func(T), name string, panics *eventPanics) {
	tell := *f
	if tell == nil {
		*f = func(T) {}
		return
	}
	var panicked atomic.Bool
	*f = func(info T) {
		if panicked.Load() {
			return
		}
		defer func() {
			if v := recover(); v != nil {
				panicked.Store(true)
				panics.note(newPanicError("events function "+name, v))
			}
		}()
		tell(info)
	}
}
