package run

import (
	"bytes"
	"slices"
	"sort"
)

// Range is a range of keys: From is included, To is excluded. A nil To is above all keys.
type Range struct {
	From []byte // lowest key in the range
	To   []byte // lowest key above the range; nil: no end
}

// PrefixRange returns the range of all keys that begin with a prefix.
func PrefixRange(prefix []byte) Range { return Range{prefix, Successor(prefix)} }

// Successor returns the lowest key above all keys that begin with a prefix, or nil if no such
// key exists.
func Successor(prefix []byte) []byte { return AppendSuccessor(nil, prefix) }

// AppendSuccessor appends the successor of a prefix to dst, or returns nil if there is none.
func AppendSuccessor(dst, prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if last := prefix[n-1]; last != 0xff {
			return append(append(dst, prefix[:n-1]...), last+1)
		}
	}
	return nil
}

// Before reports whether the whole range is below a key.
func (r Range) Before(key []byte) bool { return r.To != nil && bytes.Compare(r.To, key) <= 0 }

// Contains reports whether the range contains a key.
func (r Range) Contains(key []byte) bool { return bytes.Compare(r.From, key) <= 0 && !r.Before(key) }

// Empty reports whether the range contains no key.
func (r Range) Empty() bool { return r.Before(r.From) }

// Overlaps reports whether two non-empty ranges share a key.
func (r Range) Overlaps(other Range) bool { return !r.Before(other.From) && !other.Before(r.From) }

// Intersect returns the range of the keys that both ranges contain.
func (r Range) Intersect(other Range) Range {
	if bytes.Compare(r.From, other.From) < 0 {
		r.From = other.From
	}
	if r.To == nil || other.To != nil && bytes.Compare(other.To, r.To) < 0 {
		r.To = other.To
	}
	return r
}

// Includes reports whether the range contains all keys of inner, which must not be empty.
func (r Range) Includes(inner Range) bool {
	i := r.Intersect(inner)
	return !i.Empty() && bytes.Equal(i.From, inner.From) && (i.To == nil) == (inner.To == nil) && bytes.Equal(i.To, inner.To)
}

// Span returns the smallest range that contains both ranges, which must not be empty.
func (r Range) Span(other Range) Range {
	if bytes.Compare(other.From, r.From) < 0 {
		r.From = other.From
	}
	if r.To != nil && (other.To == nil || bytes.Compare(other.To, r.To) > 0) {
		r.To = other.To
	}
	return r
}

// Ranges is the set of range tombstones of a run.
//
// Invariant: ranges are ascending, not empty, and neither overlap nor touch.
//
// The set owns the bytes of its ranges. The zero value is an empty set.
type Ranges []Range

// Add adds a copy of a range, merged with ranges that it overlaps or touches.
func (s *Ranges) Add(r Range) {
	if r.Empty() {
		return
	}
	r = Range{slices.Clone(r.From), slices.Clone(r.To)}
	from := sort.Search(len(*s), func(i int) bool { return !(*s)[i].endsBefore(r.From) })
	to := from
	for to < len(*s) && !r.endsBefore((*s)[to].From) {
		r = r.Span((*s)[to])
		to++
	}
	*s = slices.Replace(*s, from, to, r)
}

// AddAll adds several ranges.
func (s *Ranges) AddAll(more Ranges) {
	for _, r := range more {
		s.Add(r)
	}
}

// endsBefore reports whether keys exist between the end of the range and the given key, at
// which a later range begins.
func (r Range) endsBefore(key []byte) bool { return r.To != nil && bytes.Compare(r.To, key) < 0 }

// Covers reports whether a range of the set contains a key.
func (s Ranges) Covers(key []byte) bool {
	return s.find(key) >= 0
}

// CoversPrefix reports whether a single range of the set contains all keys that begin with a
// prefix.
func (s Ranges) CoversPrefix(prefix []byte) bool {
	i := s.find(prefix)
	// If To is above the prefix and does not begin with it, To is above all keys with the
	// prefix.
	return i >= 0 && (s[i].To == nil || !bytes.HasPrefix(s[i].To, prefix))
}

// find returns the index of the range that contains a key, -1 if no range does.
func (s Ranges) find(key []byte) int {
	if len(s) == 0 {
		return -1
	}
	i := sort.Search(len(s), func(i int) bool { return !s[i].Before(key) })
	if i == len(s) || !s[i].Contains(key) {
		return -1
	}
	return i
}

// Clip returns the parts of the ranges that lie within a range.
func (s Ranges) Clip(within Range) (clipped Ranges) {
	for _, r := range s {
		if part := r.Intersect(within); !part.Empty() {
			clipped = append(clipped, part)
		}
	}
	return clipped
}

// Valid reports whether the set satisfies its invariant. Decoders call it.
func (s Ranges) Valid() bool {
	for i, r := range s {
		if r.Empty() || i > 0 && !s[i-1].endsBefore(r.From) {
			return false
		}
	}
	return true
}
