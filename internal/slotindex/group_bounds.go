package slotindex

// GroupBounds holds the bounds of each key group in a slice that is sorted by key group. A counting
// sort computes them: Count adds 1 at index group+1 for each item, and Sum replaces the counts
// with their prefix sums. Then the items of group g are those from index b[g] up to, but not
// including, b[g+1]. Nil means that nothing was counted yet.
type GroupBounds []uint32

// Count counts one item of a key group.
func (b *GroupBounds) Count(group uint16) {
	if missing := int(group) + 2 - len(*b); missing > 0 {
		*b = append(*b, make(GroupBounds, missing)...)
	}
	(*b)[group+1]++
}

// Sum turns the counts into bounds and returns the number of items.
func (b *GroupBounds) Sum() uint32 {
	if *b == nil {
		*b = GroupBounds{0}
	}
	total := uint32(0)
	for i, n := range *b {
		total += n
		(*b)[i] = total
	}
	return total
}

// Of returns the bounds of a key group: its items have the indexes in [from, to). A group without
// items has from == to.
func (b GroupBounds) Of(group uint16) (from, to uint32) {
	if int(group)+1 >= len(b) {
		return 0, 0
	}
	return b[group], b[group+1]
}
