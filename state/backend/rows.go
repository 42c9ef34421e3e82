package backend

import "fmt"

// ScanFunc calls yield with the rows whose composite keys start with prefix, ascending by key. It
// returns the error of yield, which ends the scan. Backends that store all rows in one order give
// it to ScanState and NewRowView.
type ScanFunc = func(prefix []byte, yield func(key, value []byte) error) error

// ScanState implements Backend.Scan by a ScanFunc. Scan must read a copy or a snapshot of the
// rows, since yield may write to the backend.
func (r *Registry) ScanState(id ID, scan ScanFunc, yield func(key, value []byte) error) error {
	if r.closed {
		return ErrClosed
	}
	if _, ok := r.states[id]; !ok {
		return fmt.Errorf("scan: no state with id %#08x: %w", uint32(id), ErrUnknownState)
	}
	for group := int(r.keyspace.Groups.First); group <= int(r.keyspace.Groups.Last); group++ {
		if err := scan(AppendHeader(nil, uint16(group), id), yield); err != nil {
			return err
		}
	}
	return nil
}

// LoadRow implements Load for a backend that stores rows of snapshots unchanged. It checks the
// row, adds a timer to its queue, and calls set for a row of another state.
func (r *Registry) LoadRow(key, value []byte, set func(key, value []byte) error) error {
	group, id, rest, err := r.SplitRow(key)
	if err != nil {
		return err
	}
	switch info, ok := r.Info(id); {
	case !ok:
		return fmt.Errorf("load: no state with id %#08x: %w", uint32(id), ErrUnknownState)
	case info.Kind == KindTimers:
		return r.LoadTimer(group, id, rest, value)
	}
	return set(key, value)
}

// RowView is a view of a backend that stores all rows in the order of composite keys. It
// implements snapshot.View.
type RowView struct {
	keyspace Keyspace
	states   *StateList
	scan     ScanFunc
	onClose  func()
}

// NewRowView returns a view of the rows that scan reads. These rows must never change. The first
// Close of the view calls onClose.
func NewRowView(r *Registry, scan ScanFunc, onClose func()) *RowView {
	return &RowView{r.keyspace, r.StateList(), scan, onClose}
}

// Keyspace implements snapshot.View.
func (v *RowView) Keyspace() Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *RowView) States() []Info { return v.states.States() }

// Rows implements snapshot.View.
func (v *RowView) Rows(group uint16, yield func(key, value []byte) error) error {
	if v.scan == nil {
		return fmt.Errorf("the view is closed: %w", ErrClosed)
	}
	return v.scan(AppendHeader(nil, group, 0)[:groupSize], yield)
}

// Close implements snapshot.View. It is idempotent.
func (v *RowView) Close() {
	if v.scan != nil {
		v.scan = nil
		v.onClose()
	}
}

// groupSize is the size in bytes of the key group in a composite key.
const groupSize = 2
