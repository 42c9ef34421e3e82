package lsm

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// manifest is the file that says which tables make the tree: edits, each on the
// disk before it counts.
//
// A write that fails, as on a full disk, ends a manifest: it may have the edit or
// not, so nothing is added to it, and the next change begins a new one. Until
// CURRENT names that for good, the files stay that the old one may name. A failed
// sync ends the store: see isFinal.
type manifest struct {
	// mu is held for as long as the tree changes, and is taken before the lock
	// of the store.
	mu       sync.Mutex
	w        *wal.Writer
	number   uint64
	maxBytes int64 // size at which it is written anew
	// inDoubt is set after a write of the manifest or of CURRENT has failed. It
	// changes under mu.
	inDoubt atomic.Bool
	// unnamed are files that are removed as soon as no manifest that may count
	// names them: tables, and manifests themselves.
	unnamed []string
}

// maxManifestBytes is the size at which a manifest is written anew, but in some
// tests.
const maxManifestBytes = 4 << 20

// change is what happens to the tree in one step.
type change struct {
	flushed []*version.SealedRun   // the oldest ones, which the tree has from now on
	removed map[*version.File]bool // those in added as well have only moved, or go on as a part
	added   [version.NumLevels][]*version.File
}

// edit describes the change.
func (c *change) edit(before *version.Tree) *edit {
	e := &edit{}
	for level, files := range before.Levels {
		for _, f := range files {
			if c.removed[f] {
				e.removed = append(e.removed, place{level, f.Number})
			}
		}
	}
	for level, files := range c.added {
		for _, f := range files {
			e.added = append(e.added, placed{level, f.FileMeta})
		}
	}
	return e
}

// commit makes a change: in the manifest, then in the store. After an error the
// change has not happened, and may be tried again with other files unless the store
// has failed; the caller gives the tables of this one up: see giveUpTables.
func (db *DB) commit(c *change) error {
	db.manifest.mu.Lock()
	defer db.manifest.mu.Unlock()
	if err := db.settleManifest(); err != nil {
		return err
	}
	db.owner.Lock()
	if db.failed != nil {
		defer db.owner.Unlock()
		return db.failed
	}
	before := db.versions.Current().Tree // whoever changes it holds manifest.mu
	next, err := before.Change(c.removed, c.added)
	if err != nil {
		db.owner.Unlock()
		return err
	}
	e := c.edit(before)
	db.fillIn(e, c.flushed)
	db.owner.Unlock()
	if err := db.writeEdit(e); err != nil {
		return db.manifestError(err)
	}
	db.owner.Lock()
	db.adoptChange(c, next)
	db.owner.Unlock()
	db.removeLogs(e.firstLog)
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
func (db *DB) fillIn(e *edit, flushed []*version.SealedRun) {
	e.flushed = db.flushedRun
	if len(flushed) > 0 {
		e.flushed = flushed[0].Number
	}
	e.nextFile, e.nextRun = db.nextFile, db.activeRun
	e.firstLog = db.firstLog(e.flushed)
}

// writeEdit makes an edit durable, and before it the names that it has.
func (db *DB) writeEdit(e *edit) error {
	if err := db.dir.Check(); err != nil {
		return err
	}
	if len(e.added) > 0 {
		if err := db.dir.Sync(); err != nil {
			return err
		}
	}
	end, err := db.manifest.w.Append(e.encode())
	if err == nil {
		err = db.manifest.w.SyncTo(end)
	}
	if err != nil {
		db.manifest.inDoubt.Store(true)
	}
	return err
}

// settleManifest begins a new manifest if the one there is is in doubt. The mutex
// of the manifest is held.
func (db *DB) settleManifest() error {
	if !db.manifest.inDoubt.Load() {
		return nil
	}
	db.owner.Lock()
	failed := db.failed
	db.owner.Unlock()
	if failed != nil {
		return failed
	}
	return db.newManifest()
}

// mendManifest is settleManifest for the workers, before they write files that need
// room: the new manifest makes some.
func (db *DB) mendManifest() error {
	if !db.manifest.inDoubt.Load() {
		return nil
	}
	db.manifest.mu.Lock()
	defer db.manifest.mu.Unlock()
	return db.settleManifest()
}

// giveUpTables closes tables that a change should have brought to the tree. Their
// files go as soon as no manifest can name them; when the store has failed they stay.
func (db *DB) giveUpTables(files ...*version.File) (err error) {
	for _, f := range files {
		err = errors.Join(err, db.tables.Close(f))
	}
	db.manifest.mu.Lock()
	defer db.manifest.mu.Unlock()
	for _, f := range files {
		db.manifest.unnamed = append(db.manifest.unnamed, directory.TableName(f.Number))
	}
	db.owner.Lock()
	failed := db.failed != nil
	db.owner.Unlock()
	if !failed && !db.manifest.inDoubt.Load() {
		db.removeUnnamed()
	}
	return err
}

// removeUnnamed removes the files that no manifest names any more.
func (db *DB) removeUnnamed() {
	for _, name := range db.manifest.unnamed {
		db.report(db.dir.Remove(name))
	}
	db.manifest.unnamed = nil
}

// adoptChange makes a change in the store, and in its views. The lock is held.
func (db *DB) adoptChange(c *change, next *version.Tree) {
	if len(c.flushed) == 0 {
		db.versions.Install(version.New(db.versions.Current().Memory, next))
	} else {
		db.flushedRun = c.flushed[0].Number
		for _, r := range c.flushed {
			db.o.Budget.leave(r)
		}
		db.versions.Install(db.versions.Current().Without(len(c.flushed), next))
		db.replaceRuns(c.flushed, c.added[0])
	}
	db.progress.Broadcast()
}

// renewManifest begins a new manifest if the one there is has become large. If it
// cannot be written the old one goes on, and the next change tries again.
func (db *DB) renewManifest() {
	if db.manifest.w.Size() >= db.manifest.maxBytes {
		_ = db.newManifest()
	}
}

// newManifest begins a new manifest with all of the tree in one edit. The mutex
// of the manifest is held, or nothing else goes on yet.
func (db *DB) newManifest() error {
	db.owner.Lock()
	number := db.nextFile
	db.nextFile++
	e := (&change{}).edit(&version.Tree{})
	for level, files := range db.versions.Current().Tree.Levels {
		for _, f := range files {
			e.added = append(e.added, placed{level, f.FileMeta})
		}
	}
	e.first, e.identity = true, db.identity
	e.split, e.partitionBytes = db.o.Split.Name, db.o.PartitionBytes
	db.fillIn(e, nil)
	db.owner.Unlock()

	m := &db.manifest
	err := db.dir.Check()
	var w *wal.Writer
	if err == nil {
		w, err = createManifest(db.dir.FS, db.dir.Path, number, e)
	}
	if err != nil {
		return db.manifestError(err)
	}
	m.unnamed = append(m.unnamed, directory.ManifestName(number)) // unless it becomes the current one
	if err := (current{number: number, file: w.Identity()}).publish(db.dir.FS, db.dir.Path); err != nil {
		m.inDoubt.Store(true)
		return db.manifestError(errors.Join(err, ignoreFailed(w.Close(false)), removeNotCurrent(db.dir.FS, db.dir.Path, number)))
	}
	m.unnamed = m.unnamed[:len(m.unnamed)-1]
	if m.w != nil {
		db.report(ignoreFailed(m.w.Close(false)))
		m.unnamed = append(m.unnamed, directory.ManifestName(m.number))
	}
	m.w, m.number = w, number
	m.inDoubt.Store(false)
	db.removeUnnamed()
	return nil
}

// createManifest writes a manifest with one edit, which is durable then, as is its
// name. After an error it is gone.
func createManifest(fsys vfs.FS, dir string, number uint64, e *edit) (_ *wal.Writer, err error) {
	name := filepath.Join(dir, directory.ManifestName(number))
	w, err := wal.Create(fsys, name, wal.Options{MaxRecordBytes: maxEditBytes, BufferBytes: manifestBufferBytes})
	if err != nil {
		return nil, err
	}
	end, err := w.Append(e.encode())
	if err == nil {
		err = w.SyncTo(end)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, ignoreFailed(w.Close(false)), directory.IgnoreMissing(fsys.Remove(name)))
	}
	return w, nil
}

// removeNotCurrent removes a manifest that could not become the current one, unless
// CURRENT names it, or cannot say.
func removeNotCurrent(fsys vfs.FS, dir string, number uint64) error {
	if c, err := readCurrent(fsys, dir); err != nil || c.number == number {
		return err
	}
	return directory.IgnoreMissing(fsys.Remove(filepath.Join(dir, directory.ManifestName(number))))
}

// maxEditBytes limits the edit that a manifest begins with: some hundred
// thousand tables.
const maxEditBytes = 256 << 20

// manifestBufferBytes is enough for most edits, each of which is synced. Every store has
// such a buffer for as long as it is open.
const manifestBufferBytes = 4 << 10

// closeManifest ends the manifest. If all that the store has is in its tree, CURRENT
// says up to where: from then on, whatever the manifest loses is found.
func (db *DB) closeManifest(discard, complete bool) error {
	m := &db.manifest
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.w == nil:
		return nil
	case discard:
		return m.w.Discard()
	case !complete:
		return ignoreFailed(m.w.Close(false))
	}
	err := db.settleManifest()
	if err := errors.Join(err, m.w.Close(err == nil)); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return current{m.number, m.w.Identity(), m.w.Size()}.publish(db.dir.FS, db.dir.Path)
}
