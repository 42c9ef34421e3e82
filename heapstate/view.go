package heapstate

import (
	"sync"

	"github.com/weirstate/weir/state/backend"
)

// view is a Backend as it was at a snapshot. It satisfies snapshot.View.
//
// Thread safety: one reader, in any goroutine.
type view struct {
	keyspace backend.Keyspace
	states   *backend.StateList
	parts    *parts
	pin      *backend.Pin
	frozen   []frozenState // as the states; taken when rows are first asked for
	once     sync.Once
}

// frozenState is one state of a view.
type frozenState interface {
	// rows calls yield with the rows of bytes of one key group, in order.
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

// Rows implements snapshot.View. After Release it is ErrClosed.
func (v *view) Rows(group uint16, yield func(key, value []byte) error) error {
	if v.parts == nil {
		return backend.ErrClosed
	}
	if v.frozen == nil {
		v.take()
	}
	for _, f := range v.frozen {
		if err := f.rows(group, yield); err != nil {
			return err
		}
	}
	return nil
}

// take takes the states as they were at the snapshot.
func (v *view) take() {
	states := v.States()
	v.frozen = make([]frozenState, len(states))
	for i, info := range states {
		v.frozen[i] = v.parts.frozen(v.pin, info.ID())
	}
}

// Release implements snapshot.View.
func (v *view) Release() {
	v.once.Do(func() {
		v.pin.Release()
		v.parts, v.frozen = nil, nil
	})
}
