package state

import "github.com/weirstate/weir/state/backend"

// mark is the state of a row in a hot tier, or of an entry of a map there.
//
//	           written   absent  fresh
//	clean      ≤ installed  no    -    the same value is below
//	missing    ≤ installed  yes   -    known not to be below
//	dirty      > installed  no    no   a version below may differ
//	new        = epoch      no    yes  no version is below or pending
//	deleted    > installed  yes   no   a version below must be deleted
//
// A dirty row that is cleared becomes deleted. A new row that is cleared becomes missing, and
// nothing of it is ever written below.
//
// Invariant: fresh is meaningful only while written is the current epoch. The freeze that ends
// the epoch ends it.
type mark struct {
	written uint32 // epoch of the last write; 0: none since the row was read from below
	absent  bool   // there is no value
	fresh   bool
}

// set records a write of a value, and reports whether it is the first write in the current epoch.
func (m *mark) set(t *backend.Tier) (first bool) {
	first = m.begin(t)
	m.absent = false
	return first
}

// clear records the removal of the value. The caller removes the value itself.
func (m *mark) clear(t *backend.Tier) {
	if m.absent {
		return
	}
	m.begin(t)
	m.absent = true
	if m.fresh {
		m.written, m.fresh = 0, false
	}
}

// begin prepares the mark for a write in the current epoch, and reports whether it is the first one.
func (m *mark) begin(t *backend.Tier) (first bool) {
	if m.written == t.Epoch() {
		return false
	}
	m.fresh = m.absent && t.IsInstalled(m.written)
	m.written = t.Epoch()
	return true
}

// isMissing reports whether nothing is lost if the row is dropped: there is no value, here or
// below.
func (m *mark) isMissing(t *backend.Tier) bool { return m.absent && t.IsInstalled(m.written) }

// unknown returns the mark of a row that is written without a read of the rows below.
func unknown(t *backend.Tier) mark { return mark{written: t.Epoch(), absent: true} }

// cell is a value with its mark.
type cell[V any] struct {
	value V
	mark
}
