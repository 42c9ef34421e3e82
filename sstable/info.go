package sstable

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/internal/run"
)

// Info is what a file says of itself.
type Info struct {
	Identity [16]byte // no two files have the same
	Size     int64    // of the file, in bytes

	Entries    int64 // sets, deletes and appends
	Deletes    int64 // of Entries
	Appends    int64 // of Entries
	Tombstones int64 // delete-prefixes; ranges are not counted

	KeyBytes   int64 // of all entries and tombstones
	ValueBytes int64

	// Range has all keys, all keys with a prefix of a tombstone, and all
	// ranges; it is empty if there are none. Ends above 1 KiB are shortened
	// outwards.
	Range run.Range
}

// maxBoundBytes is the largest end of Info.Range.
const maxBoundBytes = 1 << 10

// properties is the block of that name: what is not in the other blocks.
type properties struct {
	split  string
	probes uint8 // of the filter, 0 without one
	info   Info  // but for identity and size
}

// append adds the raw block:
//
//	split (text) | probes (1) | entries, deletes, appends, tombstones, bytes of
//	keys, of values (uvarints) | from (text) | to (bound)
func (p *properties) append(b []byte) []byte {
	b = append(appendText(b, []byte(p.split)), p.probes)
	for _, n := range p.info.counts() {
		b = binary.AppendUvarint(b, uint64(*n))
	}
	return appendBound(appendText(b, p.info.Range.From), p.info.Range.To)
}

func (i *Info) counts() [6]*int64 {
	return [...]*int64{&i.Entries, &i.Deletes, &i.Appends, &i.Tombstones, &i.KeyBytes, &i.ValueBytes}
}

func (p *properties) parse(raw []byte) bool {
	c := cursor{rest: raw}
	p.split, p.probes = string(c.text()), c.byte()
	for _, n := range p.info.counts() {
		*n = c.number()
	}
	p.info.Range = run.Range{From: bytes.Clone(c.text()), To: bytes.Clone(c.bound())}
	i := &p.info
	return !c.failed && len(c.rest) == 0 && p.probes <= maxProbes &&
		len(i.Range.From) <= maxBoundBytes && len(i.Range.To) <= maxBoundBytes &&
		i.Deletes <= i.Entries && i.Appends <= i.Entries-i.Deletes
}

// span gathers Info.Range.
type span struct {
	run.Range
	some bool
}

func (s *span) add(r run.Range) {
	if r.Empty() {
		return
	}
	if s.some {
		r = s.Span(r)
	}
	s.Range, s.some = run.Range{From: bytes.Clone(r.From), To: bytes.Clone(r.To)}, true
}

// keyRange is the range of one key, its ends shortened.
func keyRange(key []byte) run.Range {
	if len(key) >= maxBoundBytes {
		return run.PrefixRange(key[:maxBoundBytes])
	}
	return run.Range{From: key, To: append(bytes.Clone(key), 0)}
}

// finish returns the span with its ends shortened.
func (s *span) finish() run.Range {
	if !s.some {
		return run.Range{From: []byte{}, To: []byte{}}
	}
	r := s.Range
	if len(r.From) > maxBoundBytes {
		r.From = r.From[:maxBoundBytes]
	}
	if len(r.To) > maxBoundBytes {
		r.To = run.Successor(r.To[:maxBoundBytes])
	}
	return r
}

// appendRanges adds the raw block of range tombstones: their number, then from
// (text) and to (bound) of each.
func appendRanges(b []byte, ranges run.Ranges) []byte {
	b = binary.AppendUvarint(b, uint64(len(ranges)))
	for _, r := range ranges {
		b = appendBound(appendText(b, r.From), r.To)
	}
	return b
}

func parseRanges(raw []byte) (ranges run.Ranges, ok bool) {
	c := cursor{rest: bytes.Clone(raw)}
	n := c.uvarint()
	if n == 0 || n > uint64(len(c.rest)/2) {
		return nil, false
	}
	ranges = make(run.Ranges, 0, n)
	for ; n > 0 && !c.failed; n-- {
		ranges = append(ranges, run.Range{From: c.text(), To: c.bound()})
	}
	return ranges, !c.failed && len(c.rest) == 0 && ranges.Valid()
}
