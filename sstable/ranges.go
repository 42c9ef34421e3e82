package sstable

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// appendRanges appends the uncompressed block of range tombstones: their number, then from
// (text) and to (bound) of each.
func appendRanges(b []byte, ranges run.Ranges) []byte {
	b = binary.AppendUvarint(b, uint64(len(ranges)))
	for _, r := range ranges {
		b = appendBound(appendText(b, r.From), r.To)
	}
	return b
}

// parseRanges decodes the block of range tombstones, and reports whether it is valid.
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
