package merge

import (
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// memoryIterator walks the memtable of a sealed run, which a flush may free at any moment. It
// copies entries in batches and holds the memtable only while it copies; so a walk never
// delays the release of memory for long. If the memtable is freed, the entries of the current batch
// remain readable and the next batch fails with version.ErrFlushed; the caller of the merger then
// seeks in the file that the run was flushed to.
//
// The first move opens the iterator of the memtable, which sorts the memtable if no one has yet.
// Sources are opened under the lock of the store, and a sort would stop its owner.
//
// The last Seek or SeekBelow sets the direction: after Seek call only Next, after SeekBelow only
// Prev. An entry is valid until the next batch is copied, which reuses its memory.
type memoryIterator struct {
	run     *version.SealedRun
	it      run.BackwardIterator // iterator of the memtable, nil before the first move; only used inside run.WhileInMemory
	entries []run.Entry          // current batch of copies, in the order of the walk
	at      int                  // index in entries
	down    bool                 // the walk goes backward
	bytes   []byte               // backing memory of the copied keys and values
	batch   int                  // maximum number of entries in the next batch
	ended   bool                 // the walk ends after this batch
	err     error
}

var _ run.BackwardIterator = (*memoryIterator)(nil)

const (
	// The first batch has minCopiedEntries, since many walks end soon; each further batch has
	// twice as many, up to maxCopiedEntries.
	minCopiedEntries, maxCopiedEntries = 4, 64
	// A batch ends after copiedBytes.
	copiedBytes = 8 << 10
	// Up to maxCopyKept bytes of memory are kept for the next batch.
	maxCopyKept = 64 << 10
)

// Seek implements run.Iterator.
func (m *memoryIterator) Seek(key []byte) bool {
	m.batch, m.down = minCopiedEntries, false
	return m.copy(func() bool { return m.it.Seek(key) })
}

// Next implements run.Iterator.
func (m *memoryIterator) Next() bool {
	if m.at++; m.at < len(m.entries) {
		return true
	}
	return m.copyMore()
}

// SeekBelow implements run.BackwardIterator.
func (m *memoryIterator) SeekBelow(key []byte) bool {
	m.batch, m.down = minCopiedEntries, true
	return m.copy(func() bool { return m.it.SeekBelow(key) })
}

// Prev implements run.BackwardIterator. After SeekBelow the batch is in descending order, so the
// preceding key is the next entry of the batch.
func (m *memoryIterator) Prev() bool { return m.Next() }

// copyMore copies the next batch in the direction of the walk.
func (m *memoryIterator) copyMore() bool {
	if m.ended || m.err != nil {
		return false
	}
	m.batch = max(minCopiedEntries, min(2*m.batch, maxCopiedEntries))
	return m.copy(m.step)
}

// step moves the memtable's iterator by one entry in the direction of the walk.
func (m *memoryIterator) step() bool {
	if m.down {
		return m.it.Prev()
	}
	return m.it.Next()
}

// copy moves the memtable's iterator and copies a batch, which begins with the entry that the
// iterator moved to.
func (m *memoryIterator) copy(move func() bool) bool {
	m.at, m.entries, m.bytes = 0, m.entries[:0], m.bytes[:0]
	if cap(m.bytes) > maxCopyKept {
		m.bytes = nil
	}
	m.err = m.run.WhileInMemory(func() {
		if m.it == nil {
			m.it = m.run.Table.Iterator()
		}
		ok := move()
		for ok && len(m.entries) < m.batch && len(m.bytes) < copiedBytes {
			m.take(m.it.Entry())
			if len(m.entries) < m.batch && len(m.bytes) < copiedBytes {
				ok = m.step()
			}
		}
		m.ended = !ok
	})
	if m.err == nil && m.ended {
		m.err = m.it.Err()
	}
	return m.err == nil && len(m.entries) > 0
}

// take appends a copy of an entry to the batch. A large value is not copied: memoryLarge reads
// it from the memtable later.
func (m *memoryIterator) take(e *run.Entry) {
	c := run.Entry{Key: m.keep(e.Key), Kind: e.Kind}
	if e.Value.Large != nil {
		c.Value.Large = &memoryLarge{e.Value.Large, m.run}
	} else {
		c.Value.Bytes = m.keep(e.Value.Bytes)
	}
	m.entries = append(m.entries, c)
}

// keep copies b to the batch's memory. If the memory must grow, entries copied earlier keep
// pointing to the old memory.
func (m *memoryIterator) keep(b []byte) []byte {
	from := len(m.bytes)
	m.bytes = append(m.bytes, b...)
	return m.bytes[from:len(m.bytes):len(m.bytes)]
}

// Entry implements run.Iterator.
func (m *memoryIterator) Entry() *run.Entry { return &m.entries[m.at] }

// Err implements run.Iterator.
func (m *memoryIterator) Err() error { return m.err }

// Close implements run.Iterator. If the memtable was freed, its iterator needs no Close.
func (m *memoryIterator) Close() (err error) {
	if m.it != nil {
		_ = m.run.WhileInMemory(func() { err = m.it.Close() })
	}
	return err
}

// memoryLarge is a large value in the memtable of a sealed run.
type memoryLarge struct {
	run.Large
	of *version.SealedRun
}

// Reader implements run.Large.
func (l *memoryLarge) Reader() io.Reader {
	r := &memoryReader{of: l.of}
	r.err = l.of.WhileInMemory(func() { r.in = l.Large.Reader() })
	return r
}

// memoryReader reads a memoryLarge; it fails with version.ErrFlushed once the memtable is
// freed.
type memoryReader struct {
	in  io.Reader
	of  *version.SealedRun
	err error // error of opening in
}

// Read implements io.Reader.
func (r *memoryReader) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if freed := r.of.WhileInMemory(func() { n, err = r.in.Read(p) }); freed != nil {
		return 0, freed
	}
	return n, err
}
