package version

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// TableOptions configures how tables are written and read.
type TableOptions struct {
	Split       run.Split             // cuts keys into prefix and suffix
	BlockBytes  int                   // maximum size of an uncompressed data block
	FilterBits  int                   // bits of filter for each key; negative: no filter
	Compression []sstable.Compression // by level; deeper levels use the last entry

	Slabs        *slab.Budget     // memory for indexes and filters
	Cache        *sstable.Cache   // cache for blocks
	Handles      *sstable.Handles // limits open tables
	FilterMemory int64            // limit for the hashes from which the filter of one table is built
}

// compression returns the compression of a level.
func (o *TableOptions) compression(level int) sstable.Compression {
	return o.Compression[min(level, len(o.Compression)-1)]
}

// TableStore creates, opens and closes the tables of a store.
//
// Thread safety: safe for concurrent use. Methods that lock the store say so.
type TableStore struct {
	dir  *directory.Directory
	lock *sstable.CacheLock
	o    TableOptions
}

// NewTableStore returns a TableStore for a directory. lock is the lock of the store; it guards
// the cache frames of the tables.
func NewTableStore(dir *directory.Directory, lock *sstable.CacheLock, o TableOptions) *TableStore {
	return &TableStore{dir, lock, o}
}

// Open opens a table from its description in the manifest or in a log.
func (s *TableStore) Open(m FileMeta) (*File, error) {
	name := s.dir.Join(directory.TableName(m.Number))
	open := func() (vfs.File, error) {
		f, err := s.dir.FS.Open(name)
		if err != nil {
			return nil, &TableError{m.Number, directory.Missing(TooManyFiles(err))}
		}
		return f, nil
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	table, err := sstable.Open(f, sstable.ReaderOptions{
		Budget: s.o.Slabs, Cache: s.o.Cache, Lock: s.lock, Split: s.o.Split,
		Handles: s.o.Handles, Reopen: open,
		Identity: m.Identity, Size: m.Size, Clip: m.Clip,
	})
	if err != nil {
		return nil, &TableError{m.Number, err}
	}
	return newFile(m, table), nil
}

// OpenRemainder opens the part of f from a key to its end, as a virtual table that shares the
// file on disk. It locks the store.
func (s *TableStore) OpenRemainder(f *File, from []byte) (*File, error) {
	m, within := f.FileMeta, run.Range{From: from}
	m.Clip, m.Bounds = m.Clip.Intersect(within), m.Bounds.Intersect(within)
	rest, err := s.Open(m)
	if err != nil {
		return nil, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	*f.Sharers++
	rest.Sharers = f.Sharers
	rest.Table.MoveFramesFrom(f.Table)
	return rest, nil
}

// Close closes a table that is in no tree. It locks the store.
func (s *TableStore) Close(f *File) error {
	_, err := s.Unref(f)
	return err
}

// Unref closes a table that is in no tree, and reports whether it was the last open virtual
// table of its file, so that the file on disk may be removed. It locks the store.
func (s *TableStore) Unref(f *File) (last bool, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return f.Close()
}

// CloseTree closes all tables of a tree that is not in use. It locks the store.
func (s *TableStore) CloseTree(t *Tree) (err error) {
	for _, files := range t.Levels {
		for _, f := range files {
			err = errors.Join(err, s.Close(f))
		}
	}
	return err
}

// Remove removes the file of a table from the directory.
func (s *TableStore) Remove(number uint64) error { return s.dir.Remove(directory.TableName(number)) }

// TableError is returned if a table cannot be opened. It names the table.
type TableError struct {
	Number uint64 // name of the file
	Err    error  // the cause
}

// Error implements error.
func (e *TableError) Error() string { return fmt.Sprintf("table %d: %v", e.Number, e.Err) }

// Unwrap returns the cause.
func (e *TableError) Unwrap() error { return e.Err }

// TooManyFiles adds advice to an error that reports too many open files (EMFILE or ENFILE):
// the options that bound them. It returns other errors unchanged.
func TooManyFiles(err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("%w; raise the limit of the system (ulimit -n), or lower Options.MaxOpenFiles or Budget.LimitOpenFiles", err)
	}
	return err
}
