package heapstate

// groupBounds holds the bounds of each key group in a slice that is sorted by key group. A counting
// sort computes them: count adds 1 at index group+1 for each item, and sum replaces the counts
// with their prefix sums. Then the items of group g are those from index b[g] up to, but not
// including, b[g+1]. Nil means that nothing was counted yet.
type groupBounds []uint32

// count counts one item of a key group.
func (b *groupBounds) count(group uint16) {
	if missing := int(group) + 2 - len(*b); missing > 0 {
		*b = append(*b, make(groupBounds, missing)...)
	}
	(*b)[group+1]++
}

// sum turns the counts into bounds and returns the number of items.
func (b *groupBounds) sum() uint32 {
	if *b == nil {
		*b = groupBounds{0}
	}
	total := uint32(0)
	for i, n := range *b {
		total += n
		(*b)[i] = total
	}
	return total
}

// of returns the bounds of a key group: its items have the indexes in [from, to). A group without
// items has from == to.
func (b groupBounds) of(group uint16) (from, to uint32) {
	if int(group)+1 >= len(b) {
		return 0, 0
	}
	return b[group], b[group+1]
}
