package lsm

import (
	"sync/atomic"
	"time"
)

// Events are callbacks; nil ones are skipped. The goroutine that causes an event calls the
// function, sometimes while it holds the lock of the store. A function must return soon and
// must not call the store. If a function panics, it is not called again, and Close returns a
// PanicError.
type Events struct {
	// LogReplayed is called for each log that Open has read.
	LogReplayed func(LogInfo)
	// Flushed is called after a flush has added a table to the tree.
	Flushed func(FlushInfo)
	// FlushFailed is called after a flush has failed. The store retries it.
	FlushFailed func(error)
	// Compacted is called after a compaction has changed the tree.
	Compacted func(CompactionInfo)
	// CompactionFailed is called after a compaction has failed or found too little room on the
	// disk. The store retries it, unless a file is damaged or the Picker or Filter is faulty.
	CompactionFailed func(error)
	// TableRemoved is called after the store has removed the file of an obsolete table, or
	// failed to.
	TableRemoved func(TableInfo)
	// Stalled is called after a write has waited for the flusher, with the time that it waited.
	Stalled func(time.Duration)
	// LeftBehind is called if an obsolete file could not be removed or closed. The next Open
	// removes the file, except if the error is ErrNotRegular: the store never makes such a
	// file, and leaves it in place.
	LeftBehind func(error)
	// LogFailed is called after a write to the log has failed. Writes return ErrStalled until
	// every write in that log is in a table and a new log has begun.
	LogFailed func(error)
	// TableLost is called if Open, after a crash, has found an intact table that the manifest
	// does not list. Open renames the file to end in ".lost". See docs/format-manifest.md.
	TableLost func(TableInfo)
	// Failed is called when the store fails and accepts no more writes: see ErrFailed.
	Failed func(error)
}

// LogInfo describes a log that was replayed.
type LogInfo struct {
	Log   uint64 // number, part of the file name
	Bytes int64  // of valid records
	// Clean reports whether the log was ended by the store. If not, its last writes may be
	// missing, except those that were synced.
	Clean bool
}

// FlushInfo describes a flush.
type FlushInfo struct {
	Run     uint64        // number of the newest run of the table
	File    uint64        // number, part of the file name
	Bytes   int64         // of the file
	Entries int64         // in the table
	Took    time.Duration // including the edit of the manifest
}

// CompactionInfo describes a compaction.
type CompactionInfo struct {
	// From is the level of the first input, To the level of the output.
	From, To int
	// FilesRead and FilesWritten count the input and output files.
	FilesRead, FilesWritten int
	// BytesRead and BytesWritten count the bytes of both. If the compaction ended before its
	// inputs did, BytesRead is approximate.
	BytesRead, BytesWritten int64
	// Moved reports whether a file went to another level unchanged: nothing was read or
	// written.
	Moved bool
	// Dropped reports whether FilesRead files were dropped unread, because a newer DeleteRange
	// hides everything in them. From and To are not set then.
	Dropped bool
	// Took is the duration of the compaction, 0 if Dropped.
	Took time.Duration
}

// TableInfo describes a file that was removed or set aside.
type TableInfo struct {
	File  uint64 // number, part of the file name
	Bytes int64  // size of the file
	Err   error  // why the file could not be removed, or nil
}

// report passes an error that does no harm to LeftBehind. The functions of e are guarded.
func (e *Events) report(err error) {
	if err != nil {
		e.LeftBehind(err)
	}
}

// guarded returns e with functions that never panic; nil ones become functions that do nothing.
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

// guardEvent wraps a callback so that it is not called again after it has panicked.
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
