package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Seal ends the active memtable, which becomes a sealed run, and begins a new one. It takes
// constant time. After a crash, a store without a log is at one of its seals: see the package
// comment. Frequent seals cost little, because small runs share a table.
func (db *DB) Seal() (err error) {
	if err := db.lockForWrite(); err != nil {
		return err
	}
	defer db.unlockAfterWrite(&err)
	return db.seal()
}

// seal is Seal for callers that hold the lock. It does nothing if the memtable is empty.
func (db *DB) seal() error {
	if db.active.Len() == 0 {
		return nil
	}
	next := db.newTable() // first, because it calls a function of the options, which may panic
	r := &version.SealedRun{
		Number: db.activeRun, Table: db.active.Table,
		Bytes: db.active.bytesFor(db.o.MemtableBytes), Sealed: time.Now(),
	}
	r.Table.Seal()
	db.o.Budget.addSealed(r)
	db.o.Budget.forgetActive(&db.budgetShare)
	db.active = next
	return db.beginRun(r)
}

// sealForRead seals the memtable for a view or scan. A store that has failed cannot seal, and
// needs no seal if its memtable is empty.
func (db *DB) sealForRead() error {
	if db.active.Len() > 0 && db.status.failed != nil {
		return db.status.failed
	}
	return db.seal()
}

// beginRun installs a sealed run and begins the next one.
func (db *DB) beginRun(ended *version.SealedRun) error {
	db.versions.Install(db.versions.Current().WithRun(ended))
	db.compactor.lastSeal = time.Now()
	db.activeRun++
	db.flusher.wake()
	db.wakeWhenOld()
	if db.logs.w == nil || db.logs.lost != nil {
		return nil
	}
	rotated, err := db.rotateLog()
	if err == nil && !rotated {
		err = db.logs.beginRun(db.activeRun)
	}
	if err != nil {
		_ = db.abandonLog(err)
	}
	return db.status.failed // a failed log does not undo the seal
}
