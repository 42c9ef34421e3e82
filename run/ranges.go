package run

import (
	"bytes"
	"slices"
	"sort"
)

// Range is the keys from From, included, to To, excluded. A nil To is above all keys.
type Range struct{ From, To []byte }

// PrefixRange returns the range of the keys that begin with a prefix.
func PrefixRange(prefix []byte) Range { return Range{prefix, Successor(prefix)} }

// Successor returns the lowest key above all keys that begin with a prefix, nil if there
// is no such key.
func Successor(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if last := prefix[n-1]; last != 0xff {
			return append(slices.Clone(prefix[:n-1]), last+1)
		}
	}
	return nil
}

// Before reports whether the whole range lies before a key.
func (r Range) Before(key []byte) bool { return r.To != nil && bytes.Compare(r.To, key) <= 0 }

// Contains reports whether a key lies in the range.
func (r Range) Contains(key []byte) bool { return bytes.Compare(r.From, key) <= 0 && !r.Before(key) }

// Empty reports whether no key lies in the range.
func (r Range) Empty() bool { return r.Before(r.From) }

// Overlaps reports whether two ranges, neither of them empty, share a key.
func (r Range) Overlaps(other Range) bool { return !r.Before(other.From) && !other.Before(r.From) }

// Intersect returns the range of the keys that lie in both.
func (r Range) Intersect(other Range) Range {
	if bytes.Compare(r.From, other.From) < 0 {
		r.From = other.From
	}
	if r.To == nil || other.To != nil && bytes.Compare(other.To, r.To) < 0 {
		r.To = other.To
	}
	return r
}

// Includes reports whether the range has all keys of another one, which is not empty.
func (r Range) Includes(inner Range) bool {
	i := r.Intersect(inner)
	return !i.Empty() && bytes.Equal(i.From, inner.From) && (i.To == nil) == (inner.To == nil) && bytes.Equal(i.To, inner.To)
}

// Span returns the smallest range that has all keys of both; neither is empty.
func (r Range) Span(other Range) Range {
	if bytes.Compare(other.From, r.From) < 0 {
		r.From = other.From
	}
	if r.To != nil && (other.To == nil || bytes.Compare(other.To, r.To) > 0) {
		r.To = other.To
	}
	return r
}

// Ranges is the set of range tombstones of a run: ascending, apart from each other, and
// not empty. The set owns the bytes. The zero value is an empty set.
type Ranges []Range

// Add adds a copy of a range, joined with the ranges that it touches.
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

// AddAll adds ranges.
func (s *Ranges) AddAll(more Ranges) {
	for _, r := range more {
		s.Add(r)
	}
}

// endsBefore reports whether keys lie between the range and a later one that begins at a
// key.
func (r Range) endsBefore(key []byte) bool { return r.To != nil && bytes.Compare(r.To, key) < 0 }

// Covers reports whether a key lies in a range of the set.
func (s Ranges) Covers(key []byte) bool {
	return s.find(key) >= 0
}

// CoversPrefix reports whether all keys that begin with a prefix lie in a range of the
// set.
func (s Ranges) CoversPrefix(prefix []byte) bool {
	i := s.find(prefix)
	// An end above the prefix that does not begin with it is above all keys that do.
	return i >= 0 && (s[i].To == nil || !bytes.HasPrefix(s[i].To, prefix))
}

// find returns the index of the range in which a key lies, -1 if it lies in none.
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

// Valid reports whether the ranges are as the type promises; decoders ask it.
func (s Ranges) Valid() bool {
	for i, r := range s {
		if r.Empty() || i > 0 && !s[i-1].endsBefore(r.From) {
			return false
		}
	}
	return true
}
