package lsm

import (
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Get appends the key's value to dst and reports whether the key has a value. It returns
// ErrTooLarge for a value that appends have grown above the limit: read it with Stream.
func (db *DB) Get(key, dst []byte) (value []byte, found bool, err error) {
	if err := db.lockOpen(); err != nil {
		return dst, false, err
	}
	defer db.unlock(&err)
	if err := db.find(&db.scratch.lookup, db.versions.Current(), true, key); err != nil {
		return dst, false, err
	}
	return db.appendValue(&db.scratch.lookup, dst)
}

// Has reports whether the key has a value of any size. It copies nothing and stops at the key's
// newest entry; filters keep it from reading files that lack the key.
func (db *DB) Has(key []byte) (found bool, err error) {
	if err := db.lockOpen(); err != nil {
		return false, err
	}
	defer db.unlock(&err)
	return db.exists(&db.scratch.lookup, db.versions.Current(), true, key)
}

// MayHold reports whether the store may have a value of the key or, if the key is a whole prefix as
// Options.Split cuts it, of any key of the prefix. False is certain; true is wrong in approx. 1 % of
// the cases, and for keys that were deleted recently.
//
// MayHold asks memtables and the filters in memory, so it reads no file. It returns true if a filter
// is not in memory, if the store is closed, and if Split panics.
func (db *DB) MayHold(key []byte) bool {
	may, err := db.mayHoldOpen(key)
	return may || err != nil
}

// mayHoldOpen is MayHold, with the error of a closed store or of a split function that panics.
func (db *DB) mayHoldOpen(key []byte) (may bool, err error) {
	if err := db.lockOpen(); err != nil {
		return false, err
	}
	defer db.unlock(&err)
	p := &db.scratch.lookupKey
	db.o.Split.Prepare(p, key)
	return db.mayHold(p), nil
}

// mayHold is MayHold for callers that hold the lock.
func (db *DB) mayHold(p *run.LookupKey) bool {
	if db.active.MayHold(p) {
		return true
	}
	v := db.versions.Current()
	for _, r := range v.Memory {
		if r.MayHold(p) {
			return true
		}
	}
	return v.Tree.MayHold(p)
}

// appendValue appends the value that find has collected to dst.
func (db *DB) appendValue(f *run.Lookup, dst []byte) ([]byte, bool, error) {
	if !f.Exists() {
		return dst, false, nil
	}
	if err := db.o.checkWhole(f.Size()); err != nil {
		return dst, false, err
	}
	dst, err := f.AppendTo(dst)
	return dst, err == nil, err
}

// Peek is Get, usually without a copy: the value is in memory of the store, valid until the
// next call of any method, and must not be changed. Only the owner may call Peek, and only if
// no other goroutine calls the store; View methods and Metrics may run at the same time.
func (db *DB) Peek(key []byte) (value []byte, found bool, err error) {
	if err := db.lockOpen(); err != nil {
		return nil, false, err
	}
	defer db.unlock(&err)
	return db.peek(key)
}

// peek is Peek for callers that hold the lock.
func (db *DB) peek(key []byte) (value []byte, found bool, err error) {
	if err := db.find(&db.scratch.lookup, db.versions.Current(), true, key); err != nil {
		return nil, false, err
	}
	if whole, ok := db.scratch.lookup.Whole(); ok && !db.scratch.mayBeFreed && db.o.checkWhole(db.scratch.lookup.Size()) == nil {
		db.lock.Pin()
		return whole, true, nil
	}
	value, found, err = db.appendValue(&db.scratch.lookup, db.scratch.peeked[:0])
	if cap(value) <= maxPeeked {
		db.scratch.peeked = value
	}
	return value, found, err
}

// maxPeeked limits the buffer that Peek keeps for values that consist of pieces.
const maxPeeked = 1 << 20

// find collects the key's entries in v, and in the active memtable if active is set. The caller
// holds the lock.
func (db *DB) find(f *run.Lookup, v *version.Version, active bool, key []byte) error {
	f.Reset()
	return db.findFrom(f, v, active, key)
}

// exists is find that stops at the first entry, which decides whether the key has a value.
func (db *DB) exists(f *run.Lookup, v *version.Version, active bool, key []byte) (bool, error) {
	f.Reset()
	f.OnlyExistence()
	err := db.findFrom(f, v, active, key)
	return err == nil && f.Exists(), err
}

// findFrom is find with a lookup that the caller has reset.
func (db *DB) findFrom(f *run.Lookup, v *version.Version, active bool, key []byte) (err error) {
	p := &db.scratch.lookupKey
	db.scratch.mayBeFreed = false
	if int64(len(key)) > db.o.MaxKeySize {
		return nil // no write accepts such a key
	}
	db.o.Split.Prepare(p, key)
	db.scratch.lookups++
	if active {
		last := db.active.Get(p, f)
		// Another store of the budget may seal this memtable at any time, and the flusher free
		// it.
		db.scratch.mayBeFreed = !db.ownsBudget && f.Exists()
		if last {
			db.scratch.inMemory++
			return nil
		}
	}
	for _, r := range v.Memory {
		var last bool
		if r.Table != nil {
			if last = r.Table.Get(p, f); last {
				db.scratch.inMemory++
			}
			db.scratch.mayBeFreed = f.Exists()
		} else if r.File != nil { // a source is passed over: see SealWith
			last, err = r.File.Table.Get(p, f)
		}
		if last || err != nil {
			return err
		}
	}
	before := f.Pieces()
	err = db.findInTree(f, v.Tree)
	db.compactor.addReadCost(f.Pieces() - before - 1)
	return err
}

// findInTree collects the key's entries in the tables of a tree, newest first.
func (db *DB) findInTree(f *run.Lookup, t *version.Tree) error {
	p := &db.scratch.lookupKey
	for _, file := range t.Levels[0] {
		if file.Table.Skips(p) || !file.Bounds.Contains(p.Key) {
			continue
		}
		if last, err := file.Table.Get(p, f); last || err != nil {
			return err
		}
	}
	for _, level := range t.Levels[1:] {
		if len(level) == 0 || len(level) == 1 && level[0].Table.Skips(p) {
			continue
		}
		file := version.Find(level, p.Key)
		if file == nil {
			continue
		}
		if last, err := file.Table.Get(p, f); last || err != nil {
			return err
		}
	}
	return nil
}
