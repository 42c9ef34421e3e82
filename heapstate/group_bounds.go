package heapstate

// groupBounds is where key groups begin and end in what is dealt out to them:
// each count is noted one place behind the key group, and their sums are where
// the next one begins. Nil means that nothing is dealt out yet.
type groupBounds []uint32

// count notes one more thing of a key group.
func (b *groupBounds) count(group uint16) {
	if missing := int(group) + 2 - len(*b); missing > 0 {
		*b = append(*b, make(groupBounds, missing)...)
	}
	(*b)[group+1]++
}

// sum turns the counts into bounds and returns how many things there are.
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

// of is the bounds of a key group.
func (b groupBounds) of(group uint16) (from, to uint32) {
	if int(group)+1 >= len(b) {
		return 0, 0
	}
	return b[group], b[group+1]
}
