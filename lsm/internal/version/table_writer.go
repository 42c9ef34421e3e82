package version

import (
	"errors"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// TableWriter writes one table. End it with Finish or Abort.
type TableWriter struct {
	*sstable.Writer
	store   *TableStore
	file    vfs.File
	number  uint64
	run     uint64
	entries int
}

// Create starts a new table of a level. number is the name of the file; run is the newest run
// that the table will contain.
func (s *TableStore) Create(level int, number, run uint64) (*TableWriter, error) {
	if err := s.dir.Check(); err != nil {
		return nil, err
	}
	f, err := s.dir.FS.Create(s.dir.Join(directory.TableName(number)))
	if err != nil {
		return nil, err
	}
	w := sstable.NewWriter(f, sstable.WriterOptions{
		Compression: s.o.compression(level), BlockBytes: s.o.BlockBytes,
		FilterBits: s.o.FilterBits, Split: s.o.Split, Budget: s.o.Slabs, FilterMemory: s.o.FilterMemory,
	})
	return &TableWriter{Writer: w, store: s, file: f, number: number, run: run}, nil
}

// Add writes an entry.
func (w *TableWriter) Add(e *run.Entry) error {
	w.entries++
	return w.Writer.Add(e)
}

// Entries returns the number of entries added.
func (w *TableWriter) Entries() int { return w.entries }

// Finish syncs the file and opens it as a table. The caller must sync the directory to make
// the file's name durable. On error the file is removed.
func (w *TableWriter) Finish() (*File, error) {
	info, err := w.Writer.Finish()
	w.Writer.Close()
	err = errors.Join(err, w.file.Close())
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	f, err := w.store.Open(FileMeta{
		Number: w.number, Run: w.run, Identity: info.Identity, Size: info.Size, Bounds: info.Range,
		Entries: info.Entries, Tombstones: info.Tombstones,
	})
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return f, nil
}

// Abort removes the unfinished file.
func (w *TableWriter) Abort() error {
	w.Writer.Close()
	return errors.Join(w.file.Close(), w.remove())
}

// remove removes the file from the directory.
func (w *TableWriter) remove() error {
	return w.store.dir.Remove(directory.TableName(w.number))
}

// WriteRun writes run `of` as one table of level 0: its range tombstones, then the entries
// that fill adds.
func (s *TableStore) WriteRun(number, of uint64, ranges run.Ranges, fill func(*TableWriter) error) (*File, error) {
	w, err := s.Create(0, number, of)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if err == nil {
			err = w.AddRange(r)
		}
	}
	if err == nil {
		err = fill(w)
	}
	if err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w.Finish()
}
