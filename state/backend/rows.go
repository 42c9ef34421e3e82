package backend

import "fmt"

// ScanFunc calls yield with the rows under a prefix of composite keys, ascending by key. It
// returns the error of yield, which ends the scan. The functions of this package that take
// one serve backends that keep all their rows in order, whatever the state.
type ScanFunc = func(prefix []byte, yield func(key, value []byte) error) error

// ScanState is the Scan of a backend whose rows scan walks. The rows must not change while
// yield writes to the backend: scan walks a copy or a snapshot of them.
func (r *Registry) ScanState(id ID, scan ScanFunc, yield func(key, value []byte) error) error {
	if r.closed {
		return ErrClosed
	}
	if _, ok := r.states[id]; !ok {
		return fmt.Errorf("scan of state id %#08x: %w", uint32(id), ErrUnknownState)
	}
	for group := int(r.keyspace.Groups.First); group <= int(r.keyspace.Groups.Last); group++ {
		if err := scan(AppendHeader(nil, uint16(group), id), yield); err != nil {
			return err
		}
	}
	return nil
}

// LoadRow is the Load of a backend that stores the rows of a snapshot as they are. It checks
// the row, adds a timer to its queue, and calls set for the rows of other states.
func (r *Registry) LoadRow(key, value []byte, set func(key, value []byte) error) error {
	group, id, rest, err := r.SplitRow(key)
	if err != nil {
		return err
	}
	switch info, ok := r.Info(id); {
	case !ok:
		return fmt.Errorf("row of state id %#08x: %w", uint32(id), ErrUnknownState)
	case info.Kind == KindTimers:
		return r.LoadTimer(group, id, rest, value)
	}
	return set(key, value)
}

// RowView is a view of a backend whose rows are ordered by composite key. It implements
// snapshot.View.
type RowView struct {
	keyspace Keyspace
	states   *StateList
	scan     ScanFunc
	onClose  func()
}

// NewRowView returns the view of rows that scan walks. They must not change from now on.
// Close of the view calls onClose once.
func NewRowView(r *Registry, scan ScanFunc, onClose func()) *RowView {
	return &RowView{r.keyspace, r.StateList(), scan, onClose}
}

// Keyspace implements snapshot.View.
func (v *RowView) Keyspace() Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *RowView) States() []Info { return v.states.States() }

// Rows implements snapshot.View: composite keys begin with the key group.
func (v *RowView) Rows(group uint16, yield func(key, value []byte) error) error {
	if v.scan == nil {
		return fmt.Errorf("view is closed: %w", ErrClosed)
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

// groupSize is the size in bytes of the key group at the front of a composite key.
const groupSize = 2
