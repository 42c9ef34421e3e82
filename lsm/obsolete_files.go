package lsm

import (
	"errors"
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
)

// obsoleteFiles closes tables that no version holds any more and removes their files, in a
// goroutine of its own.
//
// Problem: the last reference to a table can end anywhere: in a commit, in the Close of a view,
// in the last iterator of a closed store, and always under the lock of the store. Closing and
// removing a file takes milliseconds on some file systems.
//
// Idea: add only appends to a list and starts a goroutine if none runs. The goroutine empties
// the list and ends, so an idle store has no goroutine for it.
//
//	version unreferenced ──► version.Set ──► add ──► list ──► work ──► close the table
//	(lock of the store)      (onUnusedFile)  (no I/O)                   │
//	                                         last virtual table of the file?
//	                                            no  → the file stays
//	                                            yes → remove the file, Events.TableRemoved
//
// Several virtual tables may share one file (see version.File). File.Sharers counts the open
// ones; the file is removed after the last one is closed.
//
// Invariant: before keepFiles, a table is added only after the edit that removes it from the
// tree is in the manifest. A crash before the removal leaves a file that no manifest names,
// which the next Open removes.
// Invariant: after keepFiles no file is removed. Close calls keepFiles, and then drops the
// reference to the current version, whose files must stay.
// Invariant: a file whose removal fails is reported once and not retried; the next Open removes
// it.
//
// Thread safety: safe for concurrent use.
type obsoleteFiles struct {
	tables  *version.TableStore
	removed func(TableInfo)

	mu      sync.Mutex
	files   []*version.File
	keep    bool // only close tables, remove no file
	working bool
	idle    sync.Cond
	err     error // errors of closing tables
}

// init prepares o. It calls removed after each removal of a file, successful or not.
func (o *obsoleteFiles) init(tables *version.TableStore, removed func(TableInfo)) {
	o.tables, o.removed = tables, removed
	o.idle.L = &o.mu
}

// keepFiles finishes all removals. From then on tables are only closed: their files are part of
// the tree.
func (o *obsoleteFiles) keepFiles() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.working {
		o.idle.Wait()
	}
	o.keep = true
}

// add takes a table that no version holds. It does no I/O.
func (o *obsoleteFiles) add(f *version.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files = append(o.files, f)
	if !o.working {
		o.working = true
		go o.work()
	}
}

// work empties the list and returns.
func (o *obsoleteFiles) work() {
	for {
		o.mu.Lock()
		if len(o.files) == 0 {
			o.working = false
			o.idle.Broadcast()
			o.mu.Unlock()
			return
		}
		files, keep := o.files, o.keep
		o.files = nil
		o.mu.Unlock()
		for _, f := range files {
			o.dispose(f, keep)
		}
	}
}

// dispose closes a table, and removes its file if no other virtual table shares it.
func (o *obsoleteFiles) dispose(f *version.File, keep bool) {
	last, err := o.tables.Unref(f)
	if err != nil {
		o.mu.Lock()
		o.err = errors.Join(o.err, err)
		o.mu.Unlock()
	}
	if keep || !last {
		return
	}
	// If the file cannot be removed, the next Open does it.
	err = o.tables.Remove(f.Number)
	o.removed(TableInfo{File: f.Number, Bytes: f.Size, Err: err})
}

// close waits until all tables are closed, and returns the errors.
func (o *obsoleteFiles) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.working {
		o.idle.Wait()
	}
	return o.err
}
