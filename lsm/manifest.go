package lsm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/wal"
)

// manifest is the file that says which tables make the tree: edits, each on the
// disk before it counts.
type manifest struct {
	// mu is held for as long as the tree changes, and is taken before the lock
	// of the store.
	mu       sync.Mutex
	w        *wal.Writer
	number   uint64
	maxBytes int64 // size at which it is written anew
}

// maxManifestBytes is the size at which a manifest is written anew, but in some
// tests.
const maxManifestBytes = 4 << 20

// change is what happens to the tree in one step.
type change struct {
	flushed []*sealedRun   // the oldest ones, which the tree has from now on
	removed map[*file]bool // those in added as well have only moved, or go on as a part
	added   [numLevels][]*file
}

// edit describes the change.
func (c *change) edit(before *tree) *edit {
	e := &edit{}
	for level, files := range before.levels {
		for _, f := range files {
			if c.removed[f] {
				e.removed = append(e.removed, place{level, f.number})
			}
		}
	}
	for level, files := range c.added {
		for _, f := range files {
			e.added = append(e.added, placed{level, f.fileMeta})
		}
	}
	return e
}

// commit makes a change: in the manifest, then in the store. A manifest that
// cannot be written is the end of writing; what it would have referred to stays,
// since it may turn out to be referred to.
func (db *DB) commit(c *change) error {
	db.manifest.mu.Lock()
	defer db.manifest.mu.Unlock()
	db.owner.Lock()
	if db.failed != nil {
		defer db.owner.Unlock()
		return db.failed
	}
	before := db.current.tree // whoever changes it holds manifest.mu
	next, err := before.change(c.removed, c.added)
	if err != nil {
		db.owner.Unlock()
		return err
	}
	e := c.edit(before)
	db.fillIn(e, c.flushed)
	db.owner.Unlock()
	if err := db.writeEdit(e); err != nil {
		return db.fail(fmt.Errorf("manifest: %w", err))
	}
	db.owner.Lock()
	db.adoptChange(c, next)
	db.owner.Unlock()
	db.removeLogs(e.firstLog)
	db.renewManifest()
	return nil
}

// fillIn completes an edit. The lock is held.
func (db *DB) fillIn(e *edit, flushed []*sealedRun) {
	if len(flushed) > 0 {
		db.flushedRun = flushed[0].number
	}
	e.flushed, e.nextFile, e.nextRun = db.flushedRun, db.nextFile, db.activeRun
	e.firstLog = db.firstLog(e.flushed)
}

// writeEdit makes an edit durable, and before it the names that it has.
func (db *DB) writeEdit(e *edit) error {
	if err := db.dirLock.Check(); err != nil {
		return err
	}
	if len(e.added) > 0 {
		if err := db.fs.SyncDir(db.dir); err != nil {
			return err
		}
	}
	end, err := db.manifest.w.Append(e.encode())
	if err != nil {
		return err
	}
	return db.manifest.w.SyncTo(end)
}

// adoptChange makes a change in the store, and in its views. The lock is held.
func (db *DB) adoptChange(c *change, next *tree) {
	if len(c.flushed) == 0 {
		db.install(newVersion(db.current.memory, next))
	} else {
		for _, r := range c.flushed {
			db.o.Budget.leave(r)
		}
		db.install(db.current.without(len(c.flushed), next))
		db.replaceRuns(c.flushed, c.added[0])
	}
	db.progress.Broadcast()
}

// renewManifest begins a new manifest if the one there is has become large. If
// that fails the store has failed; the change before it has been made.
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
	e := (&change{}).edit(&tree{})
	for level, files := range db.current.tree.levels {
		for _, f := range files {
			e.added = append(e.added, placed{level, f.fileMeta})
		}
	}
	e.first, e.identity = true, db.identity
	e.split, e.partitionBytes = db.o.Split.Name, db.o.PartitionBytes
	db.fillIn(e, nil)
	db.owner.Unlock()

	err := db.dirLock.Check()
	var w *wal.Writer
	if err == nil {
		w, err = writeManifest(db.fs, db.dir, number, e)
	}
	if err != nil {
		return db.fail(fmt.Errorf("manifest: %w", err))
	}
	old, oldNumber := db.manifest.w, db.manifest.number
	db.manifest.w, db.manifest.number = w, number
	if old == nil {
		return nil
	}
	// What is left of the old one is removed when the store is opened next.
	db.report(errors.Join(old.Close(true), db.removeFile(manifestName(oldNumber))))
	return nil
}

// writeManifest makes a manifest with one edit the current one of a directory.
func writeManifest(fsys vfs.FS, dir string, number uint64, e *edit) (_ *wal.Writer, err error) {
	w, err := wal.Create(fsys, filepath.Join(dir, manifestName(number)), wal.Options{MaxRecordBytes: maxEditBytes, BufferBytes: manifestBufferBytes})
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
	if err == nil {
		err = vfs.Publish(fsys, filepath.Join(dir, currentName), func(to io.Writer) error {
			_, err := io.WriteString(to, currentContent(number, w.Identity()))
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, ignoreFailed(w.Close(false)), removeUnnamed(fsys, dir, number))
	}
	return w, nil
}

// removeUnnamed removes a manifest that could not become the current one, unless
// CURRENT names it, or cannot say.
func removeUnnamed(fsys vfs.FS, dir string, number uint64) error {
	if current, _, err := readCurrent(fsys, dir); err != nil || current == number {
		return err
	}
	return ignoreMissing(fsys.Remove(filepath.Join(dir, manifestName(number))))
}

// maxEditBytes limits the edit that a manifest begins with: some hundred
// thousand tables.
const maxEditBytes = 256 << 20

// manifestBufferBytes is enough for most edits, each of which is synced. Every store has
// such a buffer for as long as it is open.
const manifestBufferBytes = 4 << 10

// currentContent names a manifest and the identity of its file, with a checksum.
func currentContent(number uint64, file wal.Identity) string {
	content := fmt.Sprintf("%s %x", manifestName(number), file[:])
	return fmt.Sprintf("%s %016x\n", content, run.Hash([]byte(content)))
}

// readCurrent reads the number of the manifest that counts, and the identity that
// its file has; 0 if the directory has none.
func readCurrent(fsys vfs.FS, dir string) (number uint64, file wal.Identity, err error) {
	content, err := readFile(fsys, filepath.Join(dir, currentName), 100)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, file, nil
	}
	if err != nil {
		return 0, file, missing(err)
	}
	name, rest, _ := strings.Cut(string(content), " ")
	digits, _, _ := strings.Cut(rest, " ")
	number, ok := parseNumber(name, manifestPrefix, "")
	identity, err := hex.DecodeString(digits)
	copy(file[:], identity)
	if !ok || err != nil || string(content) != currentContent(number, file) {
		return 0, file, fmt.Errorf("%s: %w", currentName, ErrCorrupt)
	}
	return number, file, nil
}

// readFile reads a small file.
func readFile(fsys vfs.FS, name string, maxBytes int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && int64(len(content)) > maxBytes {
		err = fmt.Errorf("%s has more than %d bytes: %w", filepath.Base(name), maxBytes, ErrCorrupt)
	}
	return content, err
}

func (m *manifest) close(discard bool) error {
	switch {
	case m.w == nil:
		return nil
	case discard:
		return m.w.Discard()
	}
	return ignoreFailed(m.w.Close(true))
}
