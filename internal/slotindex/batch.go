package slotindex

import "github.com/weirstate/weir/state/backend"

// Batch yields slots in their order, in batches: it first lets the table read the rows of a
// batch together, so that the processor waits for their memory in parallel.
type Batch struct {
	table backend.FrozenTable
	group uint16
	yield func(slot uint32) error
	slots []uint32
}

// batchSlots is the number of slots in a batch. It exceeds the number of loads that a processor
// can have in flight.
const batchSlots = 64

// Begin empties the batch and prepares it for the slots of one key group.
func (b *Batch) Begin(t backend.FrozenTable, group uint16, yield func(slot uint32) error) {
	*b = Batch{t, group, yield, b.slots[:0]}
}

// Add adds a slot, and yields the batch if it is full.
func (b *Batch) Add(slot uint32) error {
	b.slots = append(b.slots, slot)
	if len(b.slots) < batchSlots {
		return nil
	}
	return b.Flush()
}

// Flush yields the slots of the batch.
func (b *Batch) Flush() error {
	for rest := b.slots; len(rest) > 0; {
		n := b.table.Gather(rest, b.group)
		for _, slot := range rest[:n] {
			if err := b.yield(slot); err != nil {
				return err
			}
		}
		rest = rest[n:]
	}
	b.slots = b.slots[:0]
	return nil
}
