package lsm

import (
	"errors"
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
)

// obsoleteFiles closes tables that nobody refers to any more, and removes their files,
// beside everybody else.
//
// Thread safety: safe for concurrent use.
type obsoleteFiles struct {
	tables  *version.TableStore
	removed func(TableInfo)

	mu      sync.Mutex
	files   []*version.File
	keep    bool // close only
	working bool
	idle    sync.Cond
	err     error // of closing
}

// init makes it that of a store. Removed is told of each file that was removed.
func (o *obsoleteFiles) init(tables *version.TableStore, removed func(TableInfo)) {
	o.tables, o.removed = tables, removed
	o.idle.L = &o.mu
}

// keepFiles makes it close files that it is given from now on, and no
// more: they are in the tree.
func (o *obsoleteFiles) keepFiles() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.working {
		o.idle.Wait()
	}
	o.keep = true
}

// add hands over a file. It does no I/O.
func (o *obsoleteFiles) add(f *version.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.files = append(o.files, f)
	if !o.working {
		o.working = true
		go o.work()
	}
}

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
	// What stays is removed when the store is opened next.
	err = o.tables.Remove(f.Number)
	o.removed(TableInfo{File: f.Number, Bytes: f.Size, Err: err})
}

// close waits until all is done.
func (o *obsoleteFiles) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.working {
		o.idle.Wait()
	}
	return o.err
}
