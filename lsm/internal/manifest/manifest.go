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

// Manifest is the file that says which tables make the tree: edits, each on the
// disk before it counts.
//
// A write that fails, as on a full disk, ends a manifest: it may have the edit or
// not, so nothing is added to it, and the next change begins a new one. Until
// CURRENT names that for good, the files stay that the old one may name.
//
// Thread safety: whoever changes the tree holds the mutex, and calls the methods under
// it, but for InDoubt. It is taken before the lock of the store.
type Manifest struct {
	sync.Mutex
	// MaxBytes is the size at which a manifest is written anew.
	MaxBytes int64

	dir    *directory.Directory
	report func(error) // takes errors that harm nobody
	w      *wal.Writer // nil until Begin
	number uint64
	// inDoubt is set after a write of the manifest or of CURRENT has failed. It
	// changes under the mutex.
	inDoubt atomic.Bool
	// unnamed are files that are removed as soon as no manifest that may count
	// names them: tables, and manifests themselves.
	obsolete []string
}

// maxManifestBytes is the size at which a manifest is written anew, but in some
// tests.
const maxManifestBytes = 4 << 20

// Init makes the manifest that of a directory. Begin comes next.
func (m *Manifest) Init(dir *directory.Directory, report func(error)) {
	m.dir, m.report, m.MaxBytes = dir, report, maxManifestBytes
}

// Number returns the number of the file.
func (m *Manifest) Number() uint64 { return m.number }

// Size returns the size of the file in bytes.
func (m *Manifest) Size() int64 { return m.w.Size() }

// InDoubt reports whether a write has failed, so that a new manifest is due before the
// next edit.
func (m *Manifest) InDoubt() bool { return m.inDoubt.Load() }

// Append makes an edit durable, and before it the names that it has.
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

// Begin begins a new manifest with an edit that has all of the tree. After an error the
// old one goes on, unless it is in doubt.
func (m *Manifest) Begin(number uint64, e *Edit) error {
	if err := m.dir.Check(); err != nil {
		return err
	}
	w, err := Create(m.dir.FS, m.dir.Path, number, e)
	if err != nil {
		return err
	}
	m.obsolete = append(m.obsolete, directory.ManifestName(number)) // unless it becomes the current one
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

// RemoveLater takes the name of a file that is removed as soon as no manifest can name it.
func (m *Manifest) RemoveLater(name string) { m.obsolete = append(m.obsolete, name) }

// RemoveObsolete removes the files that no manifest names any more, unless one is in doubt.
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

// Discard closes the file as it is.
func (m *Manifest) Discard() error { return m.w.Discard() }

// Close closes the file. It may have to be read up to any place.
func (m *Manifest) Close() error { return IgnoreFailed(m.w.Close(false)) }

// CloseComplete ends the file of a store that has everything in its tree. CURRENT has its
// size from then on, so that whatever the manifest loses is found.
func (m *Manifest) CloseComplete() error {
	if err := m.w.Close(true); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return Current{m.number, m.w.Identity(), m.w.Size()}.Publish(m.dir.FS, m.dir.Path)
}

// Create writes a manifest with one edit, which is durable then, as is its
// name. After an error it is gone.
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

// removeNotCurrent removes a manifest that could not become the current one, unless
// CURRENT names it, or cannot say.
func removeNotCurrent(fsys vfs.FS, dir string, number uint64) error {
	if c, err := ReadCurrent(fsys, dir); err != nil || c.Number == number {
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
