package sstable

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
)

// Handles limits the number of open tables: their file descriptors, and the memory of their
// indexes and filters. Above a limit, a clock hand visits the open tables and closes those
// that were not read since it last passed. A closed table is reopened when it is read.
//
//	open:  [ table ][ table ][ table ][ table ]
//	         used      -       used    pinned       used: read since the last pass of the hand
//	                   ^ hand: closes this one
//
// Tables that an iterator walks are pinned and stay open. So does a table whose CacheLock
// another goroutine holds at that moment. The limit may therefore be exceeded for a while
// (over); Trim enforces it later.
//
// Lock order: one CacheLock, then Handles.mu, then Cache.mu; a second CacheLock only by
// TryLock.
//
// Thread safety: safe for concurrent use.
type Handles struct {
	mu       sync.Mutex
	maxOpen  int
	maxBytes int64
	open     []*Table
	bytes    int64 // memory of the open tables' indexes, filters and slots
	hand     int   // index in open

	over atomic.Bool // a limit is exceeded: see Trim
}

// NewHandles returns Handles that keep at most maxOpen tables open, with at most maxBytes
// bytes of indexes and filters. At least one table can always be open.
func NewHandles(maxOpen int, maxBytes int64) *Handles {
	return &Handles{maxOpen: max(maxOpen, 1), maxBytes: maxBytes}
}

// SetLimit changes the limit of open tables. Tables above it are closed when other tables are
// opened.
func (h *Handles) SetLimit(maxOpen int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.maxOpen = max(maxOpen, 1)
}

// OpenTables returns the number of open tables.
func (h *Handles) OpenTables() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// add registers a table that was opened, and closes others above the limit. locked is set if
// the caller holds the table's CacheLock.
func (h *Handles) add(t *Table, locked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.openIndex = len(h.open)
	h.open = append(h.open, t)
	h.bytes += int64(len(t.region))
	held := t.lock
	if !locked {
		held = nil
	}
	h.trim(t, held)
}

// Trim closes tables above the limit that were pinned or locked earlier. It is called after an
// iterator ends. held is the CacheLock that the caller holds.
func (h *Handles) Trim(held *CacheLock) {
	if h.over.Load() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.trim(nil, held)
	}
}

// trim closes tables above the limit, but not the given one. held is the CacheLock that the
// caller holds, nil for none. The caller holds mu.
func (h *Handles) trim(but *Table, held *CacheLock) {
	for visits := min(2*len(h.open), maxVisits); visits > 0 && h.isOver(); visits-- {
		h.tryClose(but, held)
	}
	h.over.Store(h.isOver())
}

// isOver reports whether a limit is exceeded.
func (h *Handles) isOver() bool {
	return len(h.open) > h.maxOpen || h.bytes > h.maxBytes && len(h.open) > 1
}

// tryClose closes the table at the hand if its lock is available and it was neither pinned nor
// used.
func (h *Handles) tryClose(but *Table, held *CacheLock) {
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

// removeTable removes a table from the list of open tables. The caller holds its CacheLock.
func (h *Handles) removeTable(t *Table) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(t)
}

// remove removes a table from open. The caller holds mu.
func (h *Handles) remove(t *Table) {
	last := len(h.open) - 1
	moved := h.open[last]
	h.open[t.openIndex], moved.openIndex = moved, t.openIndex
	h.open[last] = nil
	h.open = h.open[:last]
	h.bytes -= int64(len(t.region))
}

// ensureOpen opens the table if it is closed. The caller holds the CacheLock.
func (t *Table) ensureOpen() error {
	if t.file == nil {
		return t.reload()
	}
	if !t.used {
		t.used = true
	}
	return nil
}

// reload reopens the file and reads index and filter again. It does not change fields that are
// read without the lock.
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
		return errors.Join(fmt.Errorf("reopening a table: %w", err), f.Close())
	}
	t.file, t.region, t.index, t.filter, t.slots = f, again.region, again.index, again.filter, again.slots
	t.used = true
	t.handles.add(t, true)
	return nil
}

// unload closes the file and frees the memory until the table is read again. The caller holds
// the CacheLock, and no iterator walks the table.
func (t *Table) unload() {
	if t.cache != nil {
		t.cache.dropTable(t)
	}
	t.budget.Free(t.region)
	t.region, t.slots, t.filter, t.index = nil, nil, filter{}, index{}
	t.closing = errors.Join(t.closing, t.file.Close())
	t.file = nil
}

// pin keeps the table open until unpin. locked is set if the caller holds the CacheLock.
func (t *Table) pin(locked bool) error {
	if t.handles == nil {
		return nil
	}
	if !locked {
		t.lock.Lock()
		defer t.lock.Unlock()
	}
	err := t.ensureOpen()
	if err == nil {
		t.pins.Add(1)
	}
	return err
}

// unpin ends the effect of pin. It needs no lock.
func (t *Table) unpin() {
	if t.handles != nil {
		t.pins.Add(-1)
	}
}
