package lsm

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
)

// commit makes a change durable and visible: it appends an edit to the manifest, then installs
// the new version. After an error the tree is unchanged, but the manifest may have the edit:
// after a crash the change may be found there. So the caller must not remove the tables of the
// change itself: it passes them to discardTables. Unless the store has failed, it may retry
// with other files.
func (db *DB) commit(c *version.Change) error {
	db.manifest.Lock()
	defer db.manifest.Unlock()
	if err := db.replaceDoubtfulManifest(); err != nil {
		return err
	}
	db.lock.Lock()
	if db.status.failed != nil {
		defer db.lock.Unlock()
		return db.status.failed
	}
	before := db.versions.Current().Tree // only holders of the manifest's mutex change the tree
	next, err := before.Apply(c)
	if err != nil {
		db.lock.Unlock()
		return err
	}
	e := manifest.EditOf(c, before)
	db.setNumbers(e, c.Flushed)
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

// manifestError wraps an error of the manifest, and fails the store if the error is final.
func (db *DB) manifestError(err error) error {
	err = fmt.Errorf("manifest: %w", err)
	if isFinal(err) {
		return db.fail(err)
	}
	return err
}

// setNumbers sets the numbers of an edit. The caller holds the lock.
func (db *DB) setNumbers(e *manifest.Edit, flushed []*version.SealedRun) {
	e.Flushed = db.flushedRun
	if len(flushed) > 0 {
		e.Flushed = flushed[0].Number
	}
	e.NextFile, e.NextRun = db.nextFile, db.activeRun
	e.FirstLog = db.logs.first(e.Flushed, db.nextFile)
}

// replaceDoubtfulManifest begins a new manifest if a write to the current one has failed. The
// caller holds the mutex of the manifest.
func (db *DB) replaceDoubtfulManifest() error {
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

// repairManifest is replaceDoubtfulManifest for the workers, before they write files: the new
// manifest lets obsolete files be removed, which makes room on the disk.
func (db *DB) repairManifest() error {
	if !db.manifest.InDoubt() {
		return nil
	}
	db.manifest.Lock()
	defer db.manifest.Unlock()
	return db.replaceDoubtfulManifest()
}

// discardTables closes the tables of a change that failed. Their files are removed once no
// manifest can name them; if the store has failed they stay.
func (db *DB) discardTables(files ...*version.File) (err error) {
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

// applyChange installs the new tree, also in views and iterators. The caller holds the lock.
func (db *DB) applyChange(c *version.Change, next *version.Tree) {
	if len(c.Flushed) == 0 {
		db.versions.Install(version.New(db.versions.Current().Memory, next))
	} else {
		db.flushedRun = c.Flushed[0].Number
		for _, r := range c.Flushed {
			db.o.Budget.removeSealed(r)
		}
		db.versions.Install(db.versions.Current().Without(len(c.Flushed), next))
		if c.Flushed[0].Source != nil {
			db.gaps.Clear() // were found without the entries of the source
		}
		db.pins.replaceRuns(&db.versions, c.Flushed, c.Added[0])
		for _, f := range c.Added[0] { // counted before Flush can return
			db.counters.flushed(f.Size)
		}
	}
	db.progress.Broadcast()
}

// renewManifest begins a new manifest if the current one has reached its size limit. If that
// fails, the current one stays in use, and the next change tries again.
func (db *DB) renewManifest() {
	if db.manifest.Size() >= db.manifest.MaxBytes {
		_ = db.newManifest()
	}
}

// newManifest begins a new manifest with the whole tree in one edit. The caller holds the mutex
// of the manifest, or no other goroutine uses the store yet.
func (db *DB) newManifest() error {
	db.lock.Lock()
	number := db.nextFile
	db.nextFile++
	e := manifest.FirstEdit(db.versions.Current().Tree)
	e.Identity, e.Split, e.PartitionBytes = db.identity, db.o.Split.Name, db.o.PartitionBytes
	db.setNumbers(e, nil)
	db.lock.Unlock()
	if err := db.manifest.Begin(number, e); err != nil {
		return db.manifestError(err)
	}
	return nil
}

// closeManifest closes the manifest. If the tree holds every write, it records the size of the
// manifest in CURRENT, so that the next Open detects a truncated manifest.
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
	if err := db.replaceDoubtfulManifest(); err != nil {
		return errors.Join(err, m.Close())
	}
	return m.CloseComplete()
}
