package heapstate

import (
	"fmt"
	"sync"

	"github.com/google/btree"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// Backend is a heap backend. It satisfies backend.HeapBackend and
// snapshot.Backend.
//
// Thread safety: the task's goroutine only; a View may be read by others.
type Backend struct {
	registry *backend.Registry
	newIndex func(backend.Table) backend.Index
	parts    *parts
	// freeTimers are nodes that the queues have no use for: one list for all of them,
	// since a list of its own would be half of what an empty service takes.
	freeTimers *btree.FreeListG[timer]
}

// parts is what the declared states of a backend are kept in. Views share it, since they
// take their states from it when they are read.
//
// Thread safety: safe for the task's goroutine, which declares states, and for readers of
// views beside it.
type parts struct {
	mu     sync.Mutex // held where the maps change, and where a view reads them
	tables map[backend.ID]backend.Table
	timers map[backend.ID]*timers
}

func newParts() *parts {
	return &parts{tables: make(map[backend.ID]backend.Table), timers: make(map[backend.ID]*timers)}
}

// NewHash returns an empty backend that finds keys by a hash table: the fastest
// backend for state that fits in memory.
func NewHash(o backend.Options) (*Backend, error) {
	scratch := new(hashScratch)
	return open(o, func(t backend.Table) backend.Index { return newHashIndex(t, scratch) })
}

// NewBTree returns an empty backend that finds keys in a B-tree: its snapshots
// need no sorting, so they are written and restored faster, and it does not
// depend on hashes; every access costs a descent, and a key more memory than in
// the hash backend.
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
		parts:      newParts(),
		freeTimers: btree.NewFreeListG[timer](btree.DefaultFreeListSize),
	}, nil
}

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// AddTable implements backend.HeapBackend.
func (b *Backend) AddTable(info backend.Info, t backend.Table) (backend.Index, error) {
	b.parts.mu.Lock()
	defer b.parts.mu.Unlock()
	b.parts.tables[info.ID()] = t
	return b.newIndex(t), nil
}

// AddTimers implements backend.Backend.
func (b *Backend) AddTimers(info backend.Info, d backend.Domain) (backend.TimerQueue, error) {
	b.parts.mu.Lock()
	defer b.parts.mu.Unlock()
	service, ok := b.parts.timers[info.ID()]
	if !ok {
		service = newTimers(b.registry, b.freeTimers)
		b.parts.timers[info.ID()] = service
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
	rows := b.parts.frozen(pin, id)
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

// View implements snapshot.Backend. It takes the same time whatever the states hold and
// however many there are.
func (b *Backend) View() (snapshot.View, error) {
	if b.registry.Closed() {
		return nil, backend.ErrClosed
	}
	return &view{
		keyspace: b.registry.Keyspace(), states: b.registry.StateList(),
		parts: b.parts, pin: b.registry.Freeze(),
	}, nil
}

// frozen returns one state as it was at a freeze, nil if there was none with the id.
func (p *parts) frozen(pin *backend.Pin, id backend.ID) frozenState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t, ok := p.tables[id]; ok {
		table, index := t.Frozen(pin)
		return &frozenRows{table: table, index: index}
	}
	if t, ok := p.timers[id]; ok {
		return t.frozen(pin, id)
	}
	return nil
}

// Empty implements snapshot.Backend.
func (b *Backend) Empty() bool {
	for _, t := range b.parts.tables {
		if t.Len() > 0 {
			return false
		}
	}
	for _, t := range b.parts.timers {
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
	if t, ok := b.parts.tables[id]; ok {
		return t.Load(group, rest, value)
	}
	return b.registry.LoadTimer(group, id, rest, value)
}

// Close implements backend.Backend. Views that are open stay readable.
func (b *Backend) Close() error {
	b.registry.Close()
	b.parts = newParts() // views have the other ones
	return nil
}
