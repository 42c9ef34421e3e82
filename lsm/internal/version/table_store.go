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

// TableOptions says how tables are written and read.
type TableOptions struct {
	Split       run.Split
	BlockBytes  int
	FilterBits  int
	Compression []sstable.Compression // by level; levels beyond have the last one

	Slabs        *slab.Budget
	Cache        *sstable.Cache
	Handles      *sstable.Handles
	FilterMemory int64 // for making the filter of one table
}

// compression returns that of a level.
func (o *TableOptions) compression(level int) sstable.Compression {
	return o.Compression[min(level, len(o.Compression)-1)]
}

// TableStore makes, opens and closes the tables of a store.
//
// Thread safety: safe for concurrent use. Methods that take the lock of the store say so.
type TableStore struct {
	dir  *directory.Directory
	lock *sstable.CacheLock
	o    TableOptions
}

// NewTableStore returns the tables of a directory. The lock of the store guards their
// frames in the cache.
func NewTableStore(dir *directory.Directory, lock *sstable.CacheLock, o TableOptions) *TableStore {
	return &TableStore{dir, lock, o}
}

// Open opens a table as the manifest, or a log, describes it.
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

// OpenRemainder opens the part of a file from a key on, as a virtual table that shares the
// file on the disk. It takes the lock of the store.
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

// Close closes a table that is in no tree. It takes the lock of the store.
func (s *TableStore) Close(f *File) error {
	_, err := s.Unref(f)
	return err
}

// Release closes a table that is in no tree, and reports whether it was the last virtual
// table of its file. It takes the lock of the store.
func (s *TableStore) Unref(f *File) (last bool, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return f.Close()
}

// CloseTree closes the tables of a tree that is not used. It takes the lock of the store.
func (s *TableStore) CloseTree(t *Tree) (err error) {
	for _, files := range t.Levels {
		for _, f := range files {
			err = errors.Join(err, s.Close(f))
		}
	}
	return err
}

// Remove removes the file of a table.
func (s *TableStore) Remove(number uint64) error { return s.dir.Remove(directory.TableName(number)) }

// TableError says which table could not be opened.
type TableError struct {
	Number uint64 // names the file
	Err    error
}

// Error implements error.
func (e *TableError) Error() string { return fmt.Sprintf("table %d: %v", e.Number, e.Err) }

// Unwrap returns the error.
func (e *TableError) Unwrap() error { return e.Err }

// TooManyFiles names the options that bound open files, if the system allows no more.
func TooManyFiles(err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("%w; raise the limit of the system (ulimit -n), or lower Options.MaxOpenFiles or Budget.LimitOpenFiles", err)
	}
	return err
}
