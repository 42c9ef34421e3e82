package heapstate

import "github.com/weirstate/weir/state/backend"

// slotBatch hands slots on in their order, after the table has read the rows of
// a number of them together.
type slotBatch struct {
	table backend.FrozenTable
	group uint16
	yield func(slot uint32) error
	slots []uint32
}

// batchSlots is how many rows a table is asked about at a time: more than a
// processor can wait for.
const batchSlots = 64

// begin makes the batch ready for a walk over one key group.
func (b *slotBatch) begin(t backend.FrozenTable, group uint16, yield func(slot uint32) error) {
	*b = slotBatch{t, group, yield, b.slots[:0]}
}

func (b *slotBatch) add(slot uint32) error {
	b.slots = append(b.slots, slot)
	if len(b.slots) < batchSlots {
		return nil
	}
	return b.flush()
}

// flush yields what was added.
func (b *slotBatch) flush() error {
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
