package checkpoint

import (
	"context"
	"fmt"
	"time"
)

// reservedIDs holds checkpoint IDs that an IDReserver has handed out.
//
// Problem: a coordinator that has lost its job, but does not know yet, must not use the IDs of the
// next one. A store can hand out each ID once, but Trigger cannot wait for the store: the mutex is
// never held during I/O.
//
// Idea: Begin reserves a block of IDs. Trigger takes them one by one, and when fewer than half of
// a block remain, the next block is reserved in the background.
//
//	     reserved by Begin            reserved in the background
//	| 8 9 10 11 12 13 14 15 |       | 16 17 18 ... 23 |
//	       ^ nextID       fewer than half left: reserve
//
// Invariant: blocks are in ascending order and do not overlap.
//
// Invariant: IDs in a gap between the blocks of one attempt may belong to another coordinator, which
// reserved them in the meantime. Retention and the collector leave objects with these IDs alone. A
// reservation that took effect although it failed leaves a gap too.
//
// Thread safety: the coordinator's mutex guards all fields except from.
type reservedIDs struct {
	from    IDReserver // nil: the store reserves no IDs, and the coordinator counts; never changes
	blocks  []idBlock
	pending bool      // a reservation is queued, or waits for its next try
	gaps    []idBlock // IDs that another coordinator may have reserved
}

// idBlock is the range of IDs from first to before end.
type idBlock struct{ first, end ID }

// contains reports whether the block has the ID.
func (b idBlock) contains(id ID) bool { return b.first <= id && id < b.end }

const (
	// idsPerBlock is the number of IDs that are reserved at a time. A job that starts 10
	// checkpoints a second reserves once in 1.6 s; a restart leaves at most two blocks unused.
	idsPerBlock = 16
	// reserveRetry is the time after which a reservation that failed is tried again.
	reserveRetry = time.Second
)

// reserve reserves a block of IDs from atLeast on.
func (c *Coordinator) reserve(ctx context.Context, atLeast ID) (idBlock, error) {
	first, err := c.ids.from.ReserveIDs(ctx, atLeast, idsPerBlock)
	switch {
	case err != nil:
		return idBlock{}, fmt.Errorf("reserve checkpoint IDs: %w", err)
	case first < atLeast || first > maxNumber-idsPerBlock:
		return idBlock{}, fmt.Errorf("reserve checkpoint IDs: the store returned %d, want one from %d to %d: %w",
			first, atLeast, uint64(maxNumber-idsPerBlock), ErrCorrupt)
	}
	return idBlock{first, first + idsPerBlock}, nil
}

// firstIDs reserves the IDs of a new attempt: without an IDReserver all from next on.
func (c *Coordinator) firstIDs(ctx context.Context, next ID) (idBlock, error) {
	if c.ids.from == nil {
		return idBlock{next, maxNumber + 1}, nil
	}
	c.mu.Lock()
	next = max(next, c.nextID)
	c.mu.Unlock()
	return c.reserve(ctx, next)
}

// setIDs replaces the IDs of an earlier attempt. The mutex is held.
func (c *Coordinator) setIDs(block idBlock) {
	c.nextID = max(c.nextID, block.first)
	block.first = c.nextID
	c.ids.blocks, c.ids.pending, c.ids.gaps = []idBlock{block}, false, nil
}

// takeID returns the ID for a new checkpoint, or false if none is left. It reserves more if few
// are left. The mutex is held.
func (c *Coordinator) takeID(a *Attempt) (id ID, ok bool) {
	ids := &c.ids
	for len(ids.blocks) > 0 && ids.blocks[0].first >= ids.blocks[0].end {
		ids.blocks = ids.blocks[1:]
	}
	if len(ids.blocks) > 0 {
		id, ok = ids.blocks[0].first, true
		ids.blocks[0].first++
		c.nextID = id + 1
	}
	left := ID(0)
	for _, b := range ids.blocks {
		left += b.end - b.first
	}
	if left < idsPerBlock/2 {
		c.reserveMore(a)
	}
	return id, ok
}

// reserveMore reserves a block for the attempt in the background, unless that is under way. The
// mutex is held.
func (c *Coordinator) reserveMore(a *Attempt) {
	if c.ids.from == nil || c.ids.pending || c.closed || c.canceled || c.attempt != a || a.over {
		return
	}
	c.ids.pending = true
	atLeast := c.nextID
	for _, b := range c.ids.blocks {
		atLeast = max(atLeast, b.end)
	}
	c.reservations.add(func() {
		block, err := c.reserve(c.reserving, atLeast)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.finishReservation(a, atLeast, block, err)
	})
}

// finishReservation adds a reserved block to the IDs of the attempt. After an error it tries again
// later. The mutex is held.
func (c *Coordinator) finishReservation(a *Attempt, atLeast ID, block idBlock, err error) {
	if c.attempt != a || a.over { // the next attempt has a block of its own
		return
	}
	c.ids.pending = false
	switch {
	case err != nil && c.reserving.Err() == nil:
		c.warn("checkpoint IDs are not reserved", err)
		c.ids.pending = true
		time.AfterFunc(reserveRetry, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.attempt == a {
				c.ids.pending = false
				c.reserveMore(a)
			}
		})
		return
	case err != nil:
		return
	}
	if block.first > atLeast {
		c.ids.gaps = append(c.ids.gaps, idBlock{atLeast, block.first})
	}
	c.ids.blocks = append(c.ids.blocks, block)
	a.wakeRun()
	c.wakeQueued()
}
