package heapstate

import (
	"fmt"

	"github.com/google/btree"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Backend is a heap backend. It satisfies state.HeapBackend and
// snapshot.Backend.
//
// Thread safety: the task's goroutine only; a View may be read by others.
type Backend struct {
	registry *state.Registry
	newIndex func(state.Table) state.Index
	tables   map[state.ID]indexed
	timers   map[state.ID]*timers
	// freeTimers are nodes that the queues have no use for: one list for all of them,
	// since a list of its own would be half of what an empty service takes.
	freeTimers *btree.FreeListG[timer]
}

// indexed is a table with the index that finds rows in it.
type indexed struct {
	table state.Table
	index state.Index
}

// NewHash returns an empty backend that finds keys by a hash table: the fastest
// backend for state that fits in memory.
func NewHash(o state.Options) (*Backend, error) {
	return open(o, func(t state.Table) state.Index { return newHashIndex(t) })
}

// NewBTree returns an empty backend that finds keys in a B-tree: its snapshots
// need no sorting, so they are written and restored faster, and it does not
// depend on hashes; every access costs a descent, and a key more memory than in
// the hash backend.
func NewBTree(o state.Options) (*Backend, error) {
	free := btree.NewFreeListG[treeItem](btree.DefaultFreeListSize)
	return open(o, func(t state.Table) state.Index { return newTreeIndex(t, free) })
}

func open(o state.Options, newIndex func(state.Table) state.Index) (*Backend, error) {
	registry, err := state.NewRegistry(o)
	if err != nil {
		return nil, fmt.Errorf("heapstate: %w", err)
	}
	return &Backend{
		registry:   registry,
		newIndex:   newIndex,
		tables:     make(map[state.ID]indexed),
		timers:     make(map[state.ID]*timers),
		freeTimers: btree.NewFreeListG[timer](btree.DefaultFreeListSize),
	}, nil
}

// Registry implements state.Backend.
func (b *Backend) Registry() *state.Registry { return b.registry }

// AddTable implements state.HeapBackend.
func (b *Backend) AddTable(info state.Info, t state.Table) (state.Index, error) {
	index := b.newIndex(t)
	b.tables[info.ID()] = indexed{t, index}
	return index, nil
}

// AddTimers implements state.Backend.
func (b *Backend) AddTimers(info state.Info, d state.Domain) (state.TimerQueue, error) {
	service, ok := b.timers[info.ID()]
	if !ok {
		service = newTimers(b.freeTimers)
		b.timers[info.ID()] = service
	}
	return service[d], nil
}

// Scan implements state.Backend.
func (b *Backend) Scan(id state.ID, yield func(key, value []byte) error) error {
	if b.registry.Closed() {
		return state.ErrClosed
	}
	release := b.registry.Freeze()
	defer release()
	rows := b.freeze(id)
	if rows == nil {
		return state.ErrUnknownState
	}
	groups := b.registry.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		if err := rows.rows(uint16(group), yield); err != nil {
			return err
		}
	}
	return nil
}

// View implements snapshot.Backend. It takes time for each state, not for what
// the states hold.
func (b *Backend) View() (snapshot.View, error) {
	if b.registry.Closed() {
		return nil, state.ErrClosed
	}
	v := &view{keyspace: b.registry.Keyspace(), states: b.registry.States(), release: b.registry.Freeze()}
	for _, info := range v.states {
		v.frozen = append(v.frozen, b.freeze(info.ID()))
	}
	return v, nil
}

// freeze returns one state as it is now, nil if there is none with the id.
func (b *Backend) freeze(id state.ID) frozenState {
	if t, ok := b.tables[id]; ok {
		return &frozenRows{table: t.table.Freeze(), index: t.index.Freeze()}
	}
	if t, ok := b.timers[id]; ok {
		return t.freeze(id)
	}
	return nil
}

// Empty implements snapshot.Backend.
func (b *Backend) Empty() bool {
	for _, t := range b.tables {
		if t.table.Len() > 0 {
			return false
		}
	}
	for _, t := range b.timers {
		if t.len() > 0 {
			return false
		}
	}
	return true
}

// Load implements snapshot.Backend.
func (b *Backend) Load(key, value []byte) error {
	group, id, rest, err := b.registry.SplitRow(key)
	if err != nil {
		return err
	}
	if t, ok := b.tables[id]; ok {
		return t.table.Load(group, rest, value)
	}
	return b.registry.LoadTimer(group, id, rest, value)
}

// Close implements state.Backend. Views that are open stay readable.
func (b *Backend) Close() error {
	b.registry.Close()
	clear(b.tables)
	clear(b.timers)
	return nil
}
