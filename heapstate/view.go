package heapstate

import (
	"sync"

	"github.com/weirstate/weir/state/backend"
)

// view is a Backend as it was at a snapshot. It implements snapshot.View and backend.KeyView.
//
// Thread safety: one goroutine at a time may call Rows; any number may call Get and ScanPrefix.
type view struct {
	keyspace backend.Keyspace
	states   *backend.StateList
	declared *declaredStates
	pin      *backend.Pin
	frozen   []frozenState // in the order of states; captured at the first call of Rows
	byKey    sync.Map      // the *keyReader of each backend.ID that was queried by key
	readers  backend.Readers
}

// frozenState is one state of a view.
type frozenState interface {
	// rows calls yield with the rows of one key group, in the order of composite keys.
	rows(group uint16, yield func(key, value []byte) error) error
}

// frozenRows is a table with its index.
type frozenRows struct {
	table backend.FrozenTable
	index backend.FrozenIndex
}

func (f *frozenRows) rows(group uint16, yield func(key, value []byte) error) error {
	return f.index.Ascend(f.table, group, func(slot uint32) error {
		return f.table.Rows(slot, group, yield)
	})
}

// Keyspace implements snapshot.View.
func (v *view) Keyspace() backend.Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *view) States() []backend.Info { return v.states.States() }

// Rows implements snapshot.View. After Close it returns ErrClosed.
func (v *view) Rows(group uint16, yield func(key, value []byte) error) error {
	if err := v.readers.Enter(); err != nil {
		return err
	}
	defer v.readers.Leave()
	if v.frozen == nil {
		v.capture()
	}
	for _, f := range v.frozen {
		if err := f.rows(group, yield); err != nil {
			return err
		}
	}
	return nil
}

// capture captures all states as they were at the snapshot.
func (v *view) capture() {
	states := v.States()
	v.frozen = make([]frozenState, len(states))
	for i, info := range states {
		v.frozen[i] = v.declared.frozen(v.pin, info.ID())
	}
}

// Close implements snapshot.View.
func (v *view) Close() {
	v.readers.Close(func() {
		v.pin.Close()
		v.declared, v.frozen = nil, nil
		v.byKey.Clear()
	})
}

// Get implements backend.KeyView.
func (v *view) Get(key, dst []byte) (value []byte, ok bool, err error) {
	if err := v.readers.Enter(); err != nil {
		return dst, false, err
	}
	defer v.readers.Leave()
	reader, group, rest, err := v.readerOf(key)
	if err != nil {
		return dst, false, err
	}
	return reader.get(group, rest, dst)
}

// ScanPrefix implements backend.KeyView.
func (v *view) ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) error {
	if err := v.readers.Enter(); err != nil {
		return err
	}
	defer v.readers.Leave()
	reader, group, rest, err := v.readerOf(prefix)
	if err != nil {
		return err
	}
	return reader.scan(group, rest, from[min(backend.HeaderSize, len(from)):], yield)
}

// readerOf splits a composite key and returns the reader of its state.
func (v *view) readerOf(key []byte) (r *keyReader, group uint16, rest []byte, err error) {
	group, id, rest, err := v.states.SplitKey(key, v.keyspace.Groups)
	if err != nil {
		return nil, 0, nil, err
	}
	reader, ok := v.byKey.Load(id)
	if !ok {
		rows := v.declared.frozen(v.pin, id).(*frozenRows)
		reader, _ = v.byKey.LoadOrStore(id, newKeyReader(rows, v.keyspace.Groups))
	}
	return reader.(*keyReader), group, rest, nil
}
