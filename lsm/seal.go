package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Seal ends the active run: what is written from now on is another one. It takes
// constant time. A crash takes a store without a log back to a seal; see the
// package comment. Many small runs cost little: they are flushed together.
func (db *DB) Seal() (err error) {
	if err := db.enterToWrite(); err != nil {
		return err
	}
	defer db.leaveWrite(&err)
	return db.seal()
}

// seal is Seal under the lock. A run that is empty goes on.
func (db *DB) seal() error {
	if db.active.Len() == 0 {
		return nil
	}
	next := db.newTable() // first: it is a function of the options
	r := &version.SealedRun{
		Number: db.activeRun, Table: db.active.Table,
		Bytes: db.active.bytesFor(db.o.MemtableBytes), Sealed: time.Now(),
	}
	r.Table.Seal()
	db.o.Budget.enter(r)
	db.o.Budget.forgetActive(&db.budgetShare)
	db.active = next
	return db.beginRun(r)
}

// sealToRead makes all that was written runs, for views and scans. A store that
// has failed cannot seal, and need not if nothing was written since it last did.
func (db *DB) sealToRead() error {
	if db.active.Len() > 0 && db.status.failed != nil {
		return db.status.failed
	}
	return db.seal()
}

// beginRun begins the next run behind one that has ended.
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
		_ = db.loseLog(err)
	}
	return db.status.failed // a log that is lost does not undo the seal
}
