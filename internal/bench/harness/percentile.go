package harness

import (
	"cmp"
	"slices"
)

// percentile returns a percentile of the values by the nearest-rank method. ok is false if
// there are fewer values than atLeast.
func percentile[T cmp.Ordered](values []T, percent, atLeast int) (p T, ok bool) {
	if len(values) < max(atLeast, 1) {
		return p, false
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1], true
}

// medianOf returns the median of property over the elements, or zero if there are no elements.
func medianOf[E any, T cmp.Ordered](elements []E, property func(E) T) T {
	values := make([]T, 0, len(elements))
	for _, e := range elements {
		values = append(values, property(e))
	}
	p, _ := percentile(values, 50, 1)
	return p
}
