package sstable

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
)

// Handles bounds how many tables are open at a time: their descriptors, and the memory of
// their indexes and filters. When there are too many, one clock hand goes round and
// closes what was not used since it passed; the table is opened again when it is read.
//
// A table that an iterator walks stays open. Neither does one close whose CacheLock is at
// work just then, so that there may be some more for a while.
//
// Locks are taken in this order: one CacheLock, that of Handles, the cache's; other CacheLocks
// by TryLock only.
//
// Thread safety: safe for concurrent use.
type Handles struct {
	mu        sync.Mutex
	most      int
	mostBytes int64
	open      []*Table
	bytes     int64 // of regions
	hand      int   // of open

	over atomic.Bool // more is open than may be: see Trim
}

// NewHandles returns a bound of so many tables, one at least, and of so many bytes of
// indexes and filters.
func NewHandles(most int, mostBytes int64) *Handles {
	return &Handles{most: max(most, 1), mostBytes: mostBytes}
}

// SetLimit changes the bound of tables. What is open beyond it closes when others open.
func (h *Handles) SetLimit(most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.most = max(most, 1)
}

// Open returns how many tables are open.
func (h *Handles) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// enter notes a table that was opened, and closes others if there are too many. Locked
// says that the caller holds its CacheLock.
func (h *Handles) enter(t *Table, locked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.place = len(h.open)
	h.open = append(h.open, t)
	h.bytes += int64(len(t.region))
	held := t.lock
	if !locked {
		held = nil
	}
	h.trim(t, held)
}

// Trim closes tables that had to stay open when they were too many, as after the end of
// an iterator. The caller holds the CacheLock.
func (h *Handles) Trim(held *CacheLock) {
	if h.over.Load() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.trim(nil, held)
	}
}

// trim closes tables while there are too many, but for one. Held is the CacheLock that
// the caller holds, nil for none. The mutex is held.
func (h *Handles) trim(but *Table, held *CacheLock) {
	for visits := min(2*len(h.open), maxVisits); visits > 0 && h.isOver(); visits-- {
		h.visit(but, held)
	}
	h.over.Store(h.isOver())
}

func (h *Handles) isOver() bool {
	return len(h.open) > h.most || h.bytes > h.mostBytes && len(h.open) > 1
}

// visit closes the table at the hand if it can be had and was not used.
func (h *Handles) visit(but *Table, held *CacheLock) {
	h.hand++
	if h.hand >= len(h.open) {
		h.hand = 0
	}
	x := h.open[h.hand]
	if x == but {
		return
	}
	if x.lock != held {
		if !x.lock.TryLock() {
			return
		}
		defer x.lock.Unlock()
	}
	switch {
	case x.pins.Load() > 0:
	case x.used:
		x.used = false
	default:
		h.remove(x)
		x.unload()
	}
}

// leave forgets a table that is open. Its CacheLock is held.
func (h *Handles) leave(t *Table) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(t)
}

// remove takes a table off the list. The mutex is held.
func (h *Handles) remove(t *Table) {
	last := len(h.open) - 1
	moved := h.open[last]
	h.open[t.place], moved.place = moved, t.place
	h.open[last] = nil
	h.open = h.open[:last]
	h.bytes -= int64(len(t.region))
}

// ready sees to it that the table is open. The CacheLock is held.
func (t *Table) ready() error {
	if t.file == nil {
		return t.reload()
	}
	if !t.used {
		t.used = true
	}
	return nil
}

// reload opens the file again. What the table says of itself does not change: others read
// it without the lock.
func (t *Table) reload() error {
	if t.reopen == nil {
		return fmt.Errorf("reading a table: %w", fs.ErrClosed)
	}
	f, err := t.reopen()
	if err != nil {
		return err
	}
	again := &Table{file: f, split: t.split, clip: t.clip, clipped: t.clipped, cache: t.cache, lock: t.lock, budget: t.budget}
	if t.cache != nil && t.budget.Short() {
		t.cache.Shrink(t.lock)
	}
	if err := again.open(t.id, t.info.Size); err != nil {
		t.budget.Free(again.region)
		return errors.Join(fmt.Errorf("opening a table again: %w", err), f.Close())
	}
	t.file, t.region, t.index, t.filter, t.slots = f, again.region, again.index, again.filter, again.slots
	t.used = true
	t.handles.enter(t, true)
	return nil
}

// unload gives up file and memory until the table is read again. The CacheLock
// is held, and no iterator walks the table.
func (t *Table) unload() {
	if t.cache != nil {
		t.cache.forget(t)
	}
	t.budget.Free(t.region)
	t.region, t.slots, t.filter, t.index = nil, nil, filter{}, index{}
	t.closing = errors.Join(t.closing, t.file.Close())
	t.file = nil
}

// pin keeps the table open until unpin. Locked says that the caller holds the lock of the
// CacheLock.
func (t *Table) pin(locked bool) error {
	if t.handles == nil {
		return nil
	}
	if !locked {
		t.lock.Lock()
		defer t.lock.Unlock()
	}
	err := t.ready()
	if err == nil {
		t.pins.Add(1)
	}
	return err
}

// unpin ends what pin began. No lock is needed.
func (t *Table) unpin() {
	if t.handles != nil {
		t.pins.Add(-1)
	}
}
