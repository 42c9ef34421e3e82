package backend

// TierRun holds the rows that were written in one epoch of a tier, as they were at its end.
//
// Thread safety: one goroutine at a time calls Entries, while the task changes the tier. Any
// goroutine may call Close, once, after the last call of Entries.
type TierRun struct {
	// Epoch is the epoch that the freeze has ended.
	Epoch  uint32
	pin    *Pin
	groups GroupRange
	tables []tierTable
}

// frozenTier is a table of a TierRun.
type frozenTier struct {
	FrozenTier
	index FrozenIndex
}

// Entries calls yield with the operations to be done below, in the order of composite keys. Key and
// value are valid until yield returns. Entries returns the error of a codec, or of yield, which ends
// it; it may be called again.
func (r *TierRun) Entries(yield func(op Op, key, value []byte) error) error {
	var frozen []frozenTier
	for _, t := range r.tables {
		if table, index := t.FrozenTier(r.pin, r.Epoch); table != nil {
			frozen = append(frozen, frozenTier{table, index})
		}
	}
	for group := int(r.groups.First); group <= int(r.groups.Last); group++ {
		for _, t := range frozen {
			err := t.index.Ascend(t, uint16(group), func(slot uint32) error {
				return t.FrozenTier.Entries(slot, uint16(group), yield)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Close releases the frozen pages.
func (r *TierRun) Close() { r.pin.Close() }
