package lsm

import (
	"errors"
	"sync"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
)

// janitor closes tables that nobody refers to any more, and removes their files,
// beside everybody else.
//
// Thread safety: safe for concurrent use.
type janitor struct {
	db *DB

	mu      sync.Mutex
	files   []*version.File
	keep    bool // close only
	working bool
	idle    sync.Cond
	err     error // of closing
}

func (j *janitor) init(db *DB) {
	j.db = db
	j.idle.L = &j.mu
}

// keepFiles makes the janitor close files that it is given from now on, and no
// more: they are in the tree.
func (j *janitor) keepFiles() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.working {
		j.idle.Wait()
	}
	j.keep = true
}

// add hands over a file. It does no I/O.
func (j *janitor) add(f *version.File) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.files = append(j.files, f)
	if !j.working {
		j.working = true
		go j.work()
	}
}

func (j *janitor) work() {
	for {
		j.mu.Lock()
		if len(j.files) == 0 {
			j.working = false
			j.idle.Broadcast()
			j.mu.Unlock()
			return
		}
		files, keep := j.files, j.keep
		j.files = nil
		j.mu.Unlock()
		for _, f := range files {
			j.dispose(f, keep)
		}
	}
}

func (j *janitor) dispose(f *version.File, keep bool) {
	db := j.db
	db.owner.Lock()
	last, err := f.Close()
	db.owner.Unlock()
	if err != nil {
		j.mu.Lock()
		j.err = errors.Join(j.err, err)
		j.mu.Unlock()
	}
	if keep || !last {
		return
	}
	// What stays is removed when the store is opened next.
	err = db.dir.Remove(directory.TableName(f.Number))
	db.o.Events.TableRemoved(TableInfo{File: f.Number, Bytes: f.Size, Err: err})
}

// close waits until all is done.
func (j *janitor) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.working {
		j.idle.Wait()
	}
	return j.err
}
