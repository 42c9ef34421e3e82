package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// Manifest is the file that records which tables make up the tree: a log of edits (package
// wal). The first edit of a file has the whole tree; each further edit is one flush or
// compaction.
//
//	CURRENT  ->  MANIFEST-000007   [first: all tables][+12][-3 -4 +13][+14] ...
//	                                                                       ^ Append: sync, then install
//	Begin    ->  MANIFEST-000019   [first: all tables]                       then rename CURRENT
//
// An edit takes effect when it is durable, and only then does the store install the new
// version. So after a crash the manifest has the first n edits, including every edit that the
// store had installed. Tables are durable, name included, before the edit that adds them; files
// are removed after the edit that drops them.
//
// # A write that fails
//
// After a failed write, as on a full disk, the edit may be in the file or not: the manifest is
// in doubt. Nothing is appended to it any more; the next change first begins a new manifest
// with the tree that the store has in memory. Until CURRENT durably names the new file, a
// crash may bring back the old one with the edit, so no file is removed that either of the two
// may list (obsolete).
//
// Invariant: CURRENT names a manifest whose first edit is durable.
//
// Invariant: a table file is removed only if no manifest that CURRENT may name after a crash
// lists it.
//
// Invariant: numbers never decrease from edit to edit, and no file number is used twice.
//
// Cost: one append and one fsync for each change, plus one fsync of the directory if tables
// are added. At MaxBytes the manifest is written anew.
//
// Thread safety: the caller holds the mutex throughout a change of the tree and for all
// methods but InDoubt. Lock order: the mutex before the lock of the store.
//
// The scheme is LevelDB's (descriptor files, doc/impl.md there).
type Manifest struct {
	sync.Mutex
	// MaxBytes is the size from which a new manifest is begun.
	MaxBytes int64

	dir    *directory.Directory
	report func(error) // receives errors that do no harm
	w      *wal.Writer // nil before Begin
	number uint64
	// inDoubt is set after a failed write of the manifest or of CURRENT. It is changed under
	// the mutex.
	inDoubt atomic.Bool
	// obsolete are the names of files to remove once no manifest that CURRENT may name lists
	// them: tables and manifests.
	obsolete []string
}

// maxManifestBytes is the default of Manifest.MaxBytes; some tests use less.
const maxManifestBytes = 4 << 20

// Init sets the directory of the manifest. report receives errors of removals. Begin comes
// next.
func (m *Manifest) Init(dir *directory.Directory, report func(error)) {
	m.dir, m.report, m.MaxBytes = dir, report, maxManifestBytes
}

// Number returns the number in the name of the current file.
func (m *Manifest) Number() uint64 { return m.number }

// Size returns the size of the current file in bytes.
func (m *Manifest) Size() int64 { return m.w.Size() }

// InDoubt reports whether a write has failed. Then a new manifest must be begun before the
// next edit.
func (m *Manifest) InDoubt() bool { return m.inDoubt.Load() }

// Append makes an edit durable. If it adds tables, their names are made durable first.
func (m *Manifest) Append(e *Edit) error {
	if err := m.dir.Check(); err != nil {
		return err
	}
	if len(e.Added) > 0 {
		if err := m.dir.Sync(); err != nil {
			return err
		}
	}
	end, err := m.w.Append(e.Encode())
	if err == nil {
		err = m.w.SyncTo(end)
	}
	if err != nil {
		m.inDoubt.Store(true)
	}
	return err
}

// Begin begins a new manifest with an edit that has the whole tree. After an error the old
// manifest stays in use, unless it is in doubt.
func (m *Manifest) Begin(number uint64, e *Edit) error {
	if err := m.dir.Check(); err != nil {
		return err
	}
	w, err := Create(m.dir.FS, m.dir.Path, number, e)
	if err != nil {
		return err
	}
	m.obsolete = append(m.obsolete, directory.ManifestName(number)) // to be removed if CURRENT cannot be published
	if err := (Current{Number: number, File: w.Identity()}).Publish(m.dir.FS, m.dir.Path); err != nil {
		m.inDoubt.Store(true)
		return errors.Join(err, IgnoreFailed(w.Close(false)), removeNotCurrent(m.dir.FS, m.dir.Path, number))
	}
	m.obsolete = m.obsolete[:len(m.obsolete)-1]
	if m.w != nil {
		m.report(IgnoreFailed(m.w.Close(false)))
		m.obsolete = append(m.obsolete, directory.ManifestName(m.number))
	}
	m.w, m.number = w, number
	m.inDoubt.Store(false)
	m.RemoveObsolete()
	return nil
}

// RemoveLater registers a file for removal as soon as no manifest that CURRENT may name can
// list it.
func (m *Manifest) RemoveLater(name string) { m.obsolete = append(m.obsolete, name) }

// RemoveObsolete removes the registered files, unless the manifest is in doubt.
func (m *Manifest) RemoveObsolete() {
	if m.inDoubt.Load() {
		return
	}
	for _, name := range m.obsolete {
		m.report(m.dir.Remove(name))
	}
	m.obsolete = nil
}

// IsOpen reports whether Begin has succeeded.
func (m *Manifest) IsOpen() bool { return m.w != nil }

// Discard closes the file without writing buffered edits.
func (m *Manifest) Discard() error { return m.w.Discard() }

// Close closes the file without marking its end as clean: a reader accepts any durable prefix
// of it.
func (m *Manifest) Close() error { return IgnoreFailed(m.w.Close(false)) }

// CloseComplete closes the manifest of a store whose data is all in tables. It marks the end
// as clean and publishes the size in CURRENT, so that any later loss of bytes is detected.
func (m *Manifest) CloseComplete() error {
	if err := m.w.Close(true); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return Current{m.number, m.w.Identity(), m.w.Size()}.Publish(m.dir.FS, m.dir.Path)
}

// Create creates a manifest with one edit. On return, file and name are durable; after an
// error the file is removed.
func Create(fsys vfs.FS, dir string, number uint64, e *Edit) (_ *wal.Writer, err error) {
	name := filepath.Join(dir, directory.ManifestName(number))
	w, err := wal.Create(fsys, name, wal.Options{MaxRecordBytes: maxEditBytes, BufferBytes: manifestBufferBytes})
	if err != nil {
		return nil, err
	}
	end, err := w.Append(e.Encode())
	if err == nil {
		err = w.SyncTo(end)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, IgnoreFailed(w.Close(false)), directory.IgnoreMissing(fsys.Remove(name)))
	}
	return w, nil
}

// removeNotCurrent removes a manifest whose publication failed. It leaves the file in place if
// CURRENT names it or cannot be read.
func removeNotCurrent(fsys vfs.FS, dir string, number uint64) error {
	if c, err := ReadCurrent(fsys, dir); err != nil || c.Number == number {
		return err
	}
	return directory.IgnoreMissing(fsys.Remove(filepath.Join(dir, directory.ManifestName(number))))
}

// maxEditBytes is the limit for one edit: a first edit of several hundred thousand tables.
const maxEditBytes = 256 << 20

// manifestBufferBytes is the write buffer of a manifest, sufficient for most edits. Every open
// store has one.
const manifestBufferBytes = 4 << 10
