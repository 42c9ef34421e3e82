package lsm

import (
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// View is the store at a seal: a set of runs that do not change. It pins files on
// the disk, and memory only until what is there is flushed.
//
// Thread safety: safe for concurrent use; iterators belong to one goroutine.
type View struct {
	db      *DB
	run     uint64           // newest that the view has
	version *version.Version // nil once closed; the lock of the store
	opened  caller
}

// View seals the store and pins it as it is, in constant time. Close it.
func (db *DB) View() (*View, error) { return db.view(callerOf()) }

func (db *DB) view(opened caller) (_ *View, err error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leaveWrite(&err)
	if err := db.sealToRead(); err != nil {
		return nil, err
	}
	v := &View{db: db, run: db.activeRun - 1, version: db.versions.Current().Ref(), opened: opened}
	db.pins.views[v] = true
	return v, nil
}

// Close releases what the view pins. Its iterators go on. A second Close returns nil.
func (v *View) Close() (err error) {
	if err := v.enter(); err != nil {
		return nil // it is closed
	}
	defer v.db.leave(&err)
	v.abandon()
	return nil
}

// abandon is Close under the lock.
func (v *View) abandon() {
	v.db.versions.Unref(v.version)
	v.version = nil
	delete(v.db.pins.views, v)
}

// enter takes the lock of the store for an operation.
func (v *View) enter() error {
	v.db.lock.Lock()
	if v.version == nil {
		v.db.lock.Unlock()
		return ErrClosed
	}
	return nil
}

// Get adds the key's value to dst: see DB.Get.
func (v *View) Get(key, dst []byte) (value []byte, found bool, err error) {
	if err := v.enter(); err != nil {
		return dst, false, err
	}
	db := v.db
	defer db.leave(&err)
	if err := db.find(&db.scratch.viewed, v.version, false, key); err != nil {
		return dst, false, err
	}
	return db.found(&db.scratch.viewed, dst)
}

// Has reports whether the key has a value: see DB.Has.
func (v *View) Has(key []byte) (found bool, err error) {
	if err := v.enter(); err != nil {
		return false, err
	}
	defer v.db.leave(&err)
	return v.db.exists(&v.db.scratch.viewed, v.version, false, key)
}

// Iterator walks the keys from from to to, excluded, in order; nil is the lowest
// or beyond the highest. Close it. It may be used, and closed, after the view.
func (v *View) Iterator(from, to []byte) (*Iterator, error) {
	return v.iterator(run.Range{From: from, To: to}, callerOf())
}

func (v *View) iterator(within run.Range, opened caller) (_ *Iterator, err error) {
	if err := v.enter(); err != nil {
		return nil, err
	}
	defer v.db.leave(&err)
	return v.db.scan(v.version, v.run, within, opened), nil
}
