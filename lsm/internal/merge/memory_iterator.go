package merge

import (
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// memoryIterator walks a sealed run in memory. It copies entries, some at a time, and
// needs the memtable for as long as that takes.
type memoryIterator struct {
	run     *version.SealedRun
	it      run.BackwardIterator // of the memtable; used while that is there
	entries []run.Entry          // copied, or large values, in the order of the walk
	at      int                  // of entries
	down    bool                 // the walk goes backward
	bytes   []byte               // of keys and values
	most    int                  // how many entries are copied next
	ended   bool                 // nothing follows the entries
	err     error
}

var _ run.BackwardIterator = (*memoryIterator)(nil)

const (
	// copiedEntries are copied at a time, at first and at most: many walks end soon.
	minCopiedEntries, maxCopiedEntries = 4, 64
	// copiedBytes end a copy.
	copiedBytes = 8 << 10
	// maxCopyKept is how much memory is kept for the next copy.
	maxCopyKept = 64 << 10
)

// Seek implements run.Iterator.
func (m *memoryIterator) Seek(key []byte) bool {
	m.most, m.down = minCopiedEntries, false
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
	m.most, m.down = minCopiedEntries, true
	return m.copy(func() bool { return m.it.SeekBelow(key) })
}

// Prev implements run.BackwardIterator. The entries that were copied lie downwards.
func (m *memoryIterator) Prev() bool { return m.Next() }

// copyMore copies the entries after those that were copied, in the direction of the walk.
func (m *memoryIterator) copyMore() bool {
	if m.ended || m.err != nil {
		return false
	}
	m.most = max(minCopiedEntries, min(2*m.most, maxCopiedEntries))
	return m.copy(m.step)
}

// step moves the memtable's iterator in the direction of the walk.
func (m *memoryIterator) step() bool {
	if m.down {
		return m.it.Prev()
	}
	return m.it.Next()
}

// copy takes the entry that a move of the memtable's iterator leads to, and some that
// follow.
func (m *memoryIterator) copy(move func() bool) bool {
	m.at, m.entries, m.bytes = 0, m.entries[:0], m.bytes[:0]
	if cap(m.bytes) > maxCopyKept {
		m.bytes = nil
	}
	m.err = m.run.WhileInMemory(func() {
		ok := move()
		for ok && len(m.entries) < m.most && len(m.bytes) < copiedBytes {
			m.take(m.it.Entry())
			if len(m.entries) < m.most && len(m.bytes) < copiedBytes {
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

// take copies an entry. A large value stays where it is.
func (m *memoryIterator) take(e *run.Entry) {
	c := run.Entry{Key: m.keep(e.Key), Kind: e.Kind}
	if e.Value.Large != nil {
		c.Value.Large = &memoryLarge{e.Value.Large, m.run}
	} else {
		c.Value.Bytes = m.keep(e.Value.Bytes)
	}
	m.entries = append(m.entries, c)
}

// keep copies bytes. Those that were copied before stay where they are, in the memory
// that this may replace.
func (m *memoryIterator) keep(b []byte) []byte {
	from := len(m.bytes)
	m.bytes = append(m.bytes, b...)
	return m.bytes[from:len(m.bytes):len(m.bytes)]
}

// Entry implements run.Iterator.
func (m *memoryIterator) Entry() *run.Entry { return &m.entries[m.at] }

// Err implements run.Iterator.
func (m *memoryIterator) Err() error { return m.err }

// Close implements run.Iterator.
func (m *memoryIterator) Close() (err error) {
	_ = m.run.WhileInMemory(func() { err = m.it.Close() })
	return err
}

// memoryLarge is a large value of a memtable, read while that is there.
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

// memoryReader reads a large value of a memtable.
type memoryReader struct {
	in  io.Reader
	of  *version.SealedRun
	err error // of opening
}

// Read implements io.Reader.
func (r *memoryReader) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	if gone := r.of.WhileInMemory(func() { n, err = r.in.Read(p) }); gone != nil {
		return 0, gone
	}
	return n, err
}
