package heapstate

import (
	"fmt"
	"sync"

	"github.com/google/btree"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// Backend is a backend on Go's heap. It implements backend.HeapBackend and snapshot.Backend.
//
// Thread safety: the task's goroutine only. Other goroutines may read a View.
type Backend struct {
	registry *backend.Registry
	newIndex func(backend.Table) backend.Index
	states   *declaredStates
	// freeTimers holds free tree nodes for all timer queues: a free list for each would take
	// half of the memory of an empty timer service.
	freeTimers *btree.FreeListG[timer]
}

// declaredStates holds the tables and timer services of a backend. Views share it: they
// capture their states from it when they are read.
//
// Thread safety: safe for the task's goroutine, which declares states, while other goroutines
// read views.
type declaredStates struct {
	mu     sync.Mutex // guards the maps
	tables map[backend.ID]backend.HeapTable
	timers map[backend.ID]*timers
}

func newDeclaredStates() *declaredStates {
	return &declaredStates{tables: make(map[backend.ID]backend.HeapTable), timers: make(map[backend.ID]*timers)}
}

// NewHash returns an empty backend that finds keys with a hash table. It is the fastest
// backend for state that fits in memory.
func NewHash(o backend.Options) (*Backend, error) {
	scratch := new(slotindex.Scratch)
	return open(o, func(t backend.Table) backend.Index { return slotindex.NewHash(t, scratch) })
}

// NewBTree returns an empty backend that finds keys with a B-tree. Its snapshots need no
// sorting, so they are written and restored faster, and it does not depend on the quality of
// hashes. Every access descends the tree, and a key takes more memory than in the hash backend.
func NewBTree(o backend.Options) (*Backend, error) {
	free := btree.NewFreeListG[treeItem](btree.DefaultFreeListSize)
	return open(o, func(t backend.Table) backend.Index { return newTreeIndex(t, free) })
}

func open(o backend.Options, newIndex func(backend.Table) backend.Index) (*Backend, error) {
	registry, err := backend.NewRegistry(o)
	if err != nil {
		return nil, fmt.Errorf("heapstate: %w", err)
	}
	return &Backend{
		registry:   registry,
		newIndex:   newIndex,
		states:     newDeclaredStates(),
		freeTimers: btree.NewFreeListG[timer](btree.DefaultFreeListSize),
	}, nil
}

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// AddTable implements backend.HeapBackend.
func (b *Backend) AddTable(info backend.Info, t backend.HeapTable) (backend.Index, error) {
	b.states.mu.Lock()
	defer b.states.mu.Unlock()
	b.states.tables[info.ID()] = t
	return b.newIndex(t), nil
}

// AddTimers implements backend.Backend.
func (b *Backend) AddTimers(info backend.Info, d backend.Domain) (backend.TimerQueue, error) {
	b.states.mu.Lock()
	defer b.states.mu.Unlock()
	service, ok := b.states.timers[info.ID()]
	if !ok {
		service = newTimers(b.registry, b.freeTimers)
		b.states.timers[info.ID()] = service
	}
	return service.queues[d], nil
}

// Scan implements backend.Backend.
func (b *Backend) Scan(id backend.ID, yield func(key, value []byte) error) error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	pin := b.registry.Freeze()
	defer pin.Close()
	rows := b.states.frozen(pin, id)
	if rows == nil {
		return backend.ErrUnknownState
	}
	groups := b.registry.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		if err := rows.rows(uint16(group), yield); err != nil {
			return err
		}
	}
	return nil
}

// View implements snapshot.Backend. Its time does not depend on the number of states or rows.
func (b *Backend) View() (snapshot.View, error) {
	if b.registry.Closed() {
		return nil, backend.ErrClosed
	}
	return &view{
		keyspace: b.registry.Keyspace(), states: b.registry.StateList(),
		declared: b.states, pin: b.registry.Freeze(),
	}, nil
}

// frozen returns a state as it was when pin was taken, nil if no state with the id is declared.
func (s *declaredStates) frozen(pin *backend.Pin, id backend.ID) frozenState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tables[id]; ok {
		table, index := t.Frozen(pin)
		return &frozenRows{table: table, index: index}
	}
	if t, ok := s.timers[id]; ok {
		return t.frozen(pin, id)
	}
	return nil
}

// Empty implements snapshot.Backend. It reports whether the backend has neither rows nor timers.
func (b *Backend) Empty() bool {
	for _, t := range b.states.tables {
		if t.Len() > 0 {
			return false
		}
	}
	for _, t := range b.states.timers {
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
	if t, ok := b.states.tables[id]; ok {
		return t.Load(group, rest, value)
	}
	return b.registry.LoadTimer(group, id, rest, value)
}

// Close implements backend.Backend. Open views stay readable.
func (b *Backend) Close() error {
	b.registry.Close()
	b.states = newDeclaredStates() // open views keep the old one
	return nil
}
