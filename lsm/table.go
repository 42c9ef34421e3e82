package lsm

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/sstable"
)

// tableWriter is a table that is being written.
type tableWriter struct {
	*sstable.Writer
	db      *DB
	file    vfs.File
	number  uint64
	run     uint64
	entries int
}

// createTable begins a table of a level.
func (db *DB) createTable(level int, number, run uint64) (*tableWriter, error) {
	if err := db.dir.Check(); err != nil {
		return nil, err
	}
	f, err := db.dir.FS.Create(db.dir.Join(directory.TableName(number)))
	if err != nil {
		return nil, err
	}
	w := sstable.NewWriter(f, sstable.WriterOptions{
		Compression: db.o.compression(level), BlockBytes: db.o.BlockBytes,
		FilterBits: db.o.FilterBits, Split: db.o.Split, Budget: db.o.Budget.slabs,
		FilterMemory: db.o.Budget.Limit() / maxFilterShare,
	})
	return &tableWriter{Writer: w, db: db, file: f, number: number, run: run}, nil
}

func (w *tableWriter) add(e *run.Entry) error {
	w.entries++
	return w.Add(e)
}

// finish ends the table and opens it. It is on the disk then, but for its name.
func (w *tableWriter) finish() (*file, error) {
	info, err := w.Finish()
	w.Release()
	err = errors.Join(err, w.file.Close())
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	f, err := w.db.openTable(fileMeta{
		number: w.number, run: w.run, identity: info.Identity, size: info.Size, bounds: info.Range,
		entries: info.Entries, tombstones: info.Tombstones,
	})
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return f, nil
}

// abort removes what was written.
func (w *tableWriter) abort() error {
	w.Release()
	return errors.Join(w.file.Close(), w.remove())
}

func (w *tableWriter) remove() error {
	return w.db.dir.Remove(directory.TableName(w.number))
}

// writeTable writes a run into one table of level 0.
func (db *DB) writeTable(number, of uint64, ranges run.Ranges, fill func(*tableWriter) error) (*file, error) {
	w, err := db.createTable(0, number, of)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if err == nil {
			err = w.AddRange(r)
		}
	}
	if err == nil {
		err = db.guard(func() error { return fill(w) })
	}
	if err != nil {
		return nil, errors.Join(err, w.abort())
	}
	return w.finish()
}

// openTable opens a table as the manifest, or a log, describes it.
func (db *DB) openTable(m fileMeta) (*file, error) {
	name := db.dir.Join(directory.TableName(m.number))
	open := func() (vfs.File, error) {
		f, err := db.dir.FS.Open(name)
		if err != nil {
			return nil, &TableError{m.number, directory.Missing(tooManyFiles(err))}
		}
		return f, nil
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	table, err := sstable.Open(f, sstable.ReaderOptions{
		Budget: db.o.Budget.slabs, Cache: db.o.Budget.cache, Owner: &db.owner, Split: db.o.Split,
		Handles: db.o.Budget.handles, Reopen: open,
		Identity: m.identity, Size: m.size, Clip: m.clip,
	})
	if err != nil {
		return nil, &TableError{m.number, err}
	}
	return newFile(m, table), nil
}

// tooManyFiles says which option bounds the files that are open, if the system allows no more.
func tooManyFiles(err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return fmt.Errorf("%w; raise the limit of the system (ulimit -n), or lower Options.MaxOpenFiles or Budget.LimitOpenFiles", err)
	}
	return err
}

// closeTable closes a table that is in no tree.
func (db *DB) closeTable(f *file) error {
	db.owner.Lock()
	defer db.owner.Unlock()
	_, err := f.close()
	return err
}
