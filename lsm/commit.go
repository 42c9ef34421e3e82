package lsm

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
)

// commit makes a change: in the manifest, then in the store. After an error the
// change has not happened, and may be tried again with other files unless the store
// has failed; the caller gives the tables of this one up: see giveUpTables.
func (db *DB) commit(c *version.Change) error {
	db.manifest.Lock()
	defer db.manifest.Unlock()
	if err := db.settleManifest(); err != nil {
		return err
	}
	db.lock.Lock()
	if db.status.failed != nil {
		defer db.lock.Unlock()
		return db.status.failed
	}
	before := db.versions.Current().Tree // whoever changes it holds the mutex
	next, err := before.Apply(c)
	if err != nil {
		db.lock.Unlock()
		return err
	}
	e := manifest.EditOf(c, before)
	db.fillIn(e, c.Flushed)
	db.lock.Unlock()
	if err := db.manifest.Append(e); err != nil {
		return db.manifestError(err)
	}
	db.lock.Lock()
	db.applyChange(c, next)
	db.lock.Unlock()
	db.removeLogs(e.FirstLog)
	db.renewManifest()
	return nil
}

// manifestError wraps an error of the manifest, and ends the store if it is final.
func (db *DB) manifestError(err error) error {
	err = fmt.Errorf("manifest: %w", err)
	if isFinal(err) {
		return db.fail(err)
	}
	return err
}

// fillIn completes an edit. The lock is held.
func (db *DB) fillIn(e *manifest.Edit, flushed []*version.SealedRun) {
	e.Flushed = db.flushedRun
	if len(flushed) > 0 {
		e.Flushed = flushed[0].Number
	}
	e.NextFile, e.NextRun = db.nextFile, db.activeRun
	e.FirstLog = db.logs.first(e.Flushed, db.nextFile)
}

// settleManifest begins a new manifest if the one there is is in doubt. The mutex
// of the manifest is held.
func (db *DB) settleManifest() error {
	if !db.manifest.InDoubt() {
		return nil
	}
	db.lock.Lock()
	failed := db.status.failed
	db.lock.Unlock()
	if failed != nil {
		return failed
	}
	return db.newManifest()
}

// mendManifest is settleManifest for the workers, before they write files that need
// room: the new manifest makes some.
func (db *DB) mendManifest() error {
	if !db.manifest.InDoubt() {
		return nil
	}
	db.manifest.Lock()
	defer db.manifest.Unlock()
	return db.settleManifest()
}

// giveUpTables closes tables that a change should have brought to the tree. Their
// files go as soon as no manifest can name them; when the store has failed they stay.
func (db *DB) giveUpTables(files ...*version.File) (err error) {
	for _, f := range files {
		err = errors.Join(err, db.tables.Close(f))
	}
	db.manifest.Lock()
	defer db.manifest.Unlock()
	for _, f := range files {
		db.manifest.RemoveLater(directory.TableName(f.Number))
	}
	db.lock.Lock()
	failed := db.status.failed != nil
	db.lock.Unlock()
	if !failed {
		db.manifest.RemoveObsolete()
	}
	return err
}

// applyChange makes a change in the store, and in its views. The lock is held.
func (db *DB) applyChange(c *version.Change, next *version.Tree) {
	if len(c.Flushed) == 0 {
		db.versions.Install(version.New(db.versions.Current().Memory, next))
	} else {
		db.flushedRun = c.Flushed[0].Number
		for _, r := range c.Flushed {
			db.o.Budget.leave(r)
		}
		db.versions.Install(db.versions.Current().Without(len(c.Flushed), next))
		db.pins.replaceRuns(&db.versions, c.Flushed, c.Added[0])
	}
	db.progress.Broadcast()
}

// renewManifest begins a new manifest if the one there is has become large. If it
// cannot be written the old one goes on, and the next change tries again.
func (db *DB) renewManifest() {
	if db.manifest.Size() >= db.manifest.MaxBytes {
		_ = db.newManifest()
	}
}

// newManifest begins a new manifest with all of the tree in one edit. The mutex
// of the manifest is held, or nothing else goes on yet.
func (db *DB) newManifest() error {
	db.lock.Lock()
	number := db.nextFile
	db.nextFile++
	e := manifest.FirstEdit(db.versions.Current().Tree)
	e.Identity, e.Split, e.PartitionBytes = db.identity, db.o.Split.Name, db.o.PartitionBytes
	db.fillIn(e, nil)
	db.lock.Unlock()
	if err := db.manifest.Begin(number, e); err != nil {
		return db.manifestError(err)
	}
	return nil
}

// closeManifest ends the manifest. If all that the store has is in its tree, CURRENT
// says up to where: from then on, whatever the manifest loses is found.
func (db *DB) closeManifest(discard, complete bool) error {
	m := &db.manifest
	m.Lock()
	defer m.Unlock()
	switch {
	case !m.IsOpen():
		return nil
	case discard:
		return m.Discard()
	case !complete:
		return m.Close()
	}
	if err := db.settleManifest(); err != nil {
		return errors.Join(err, m.Close())
	}
	return m.CloseComplete()
}
