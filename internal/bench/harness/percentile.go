package harness

import (
	"cmp"
	"slices"
)

// percentile is taken by the nearest rank; ok is false if there are fewer values
// than enough.
func percentile[T cmp.Ordered](values []T, percent, enough int) (p T, ok bool) {
	if len(values) < max(enough, 1) {
		return p, false
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1], true
}

// median is that of a property of some things, zero of none.
func median[E any, T cmp.Ordered](of []E, property func(E) T) T {
	values := make([]T, 0, len(of))
	for _, e := range of {
		values = append(values, property(e))
	}
	p, _ := percentile(values, 50, 1)
	return p
}
