package sstable

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// Info is what a file says of itself.
type Info struct {
	Identity vfs.Identity // no two files have the same
	Size     int64        // of the file, in bytes

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

// tally gathers what Info says while entries go by.
type tally struct {
	info     Info
	some     bool   // any entry
	first    []byte // up to maxBoundBytes
	last     []byte
	lastKind run.Kind
	furthest []byte // boundary of the tombstone whose keys reach furthest
}

// follows says whether an entry may follow the last one.
func (t *tally) follows(kind run.Kind, key []byte) bool {
	if !t.some {
		return true
	}
	order := bytes.Compare(t.last, key)
	return order < 0 || order == 0 && t.lastKind == run.DeletePrefix && kind != run.DeletePrefix
}

// repeats says whether the last entry is a tombstone of the key.
func (t *tally) repeats(key []byte) bool {
	return t.lastKind == run.DeletePrefix && bytes.Equal(t.last, key)
}

func (t *tally) add(kind run.Kind, key []byte, valueBytes int64) {
	i := &t.info
	i.KeyBytes += int64(len(key))
	i.ValueBytes += valueBytes
	if !t.some {
		t.some, t.first = true, bytes.Clone(key[:min(len(key), maxBoundBytes)])
	}
	t.last, t.lastKind = append(t.last[:0], key...), kind
	if kind == run.DeletePrefix {
		// One that begins with an earlier one reaches no further.
		if i.Tombstones == 0 || !bytes.HasPrefix(key, t.furthest) {
			t.furthest = append(t.furthest[:0], boundary(key)...)
		}
		i.Tombstones++
		return
	}
	i.Entries++
	switch kind {
	case run.Delete:
		i.Deletes++
	case run.Append:
		i.Appends++
	}
}

// span is Info.Range.
func (t *tally) span(ranges run.Ranges) run.Range {
	var all run.Ranges
	if t.some {
		all = append(all, keyRange(t.first), keyRange(boundary(t.last)))
	}
	if t.info.Tombstones > 0 {
		all = append(all, run.PrefixRange(t.furthest))
	}
	if all = append(all, ranges...); len(all) == 0 {
		return run.Range{From: []byte{}, To: []byte{}}
	}
	r := all[0]
	for _, other := range all[1:] {
		r = r.Span(other)
	}
	return shortened(r)
}

// boundary is as much of a key as its shortened range depends on.
func boundary(key []byte) []byte { return key[:min(len(key), maxBoundBytes+1)] }

// keyRange is the range of one key.
func keyRange(key []byte) run.Range {
	return run.Range{From: key, To: append(bytes.Clone(key), 0)}
}

// shortened returns a range with ends of at most maxBoundBytes.
func shortened(r run.Range) run.Range {
	if len(r.From) > maxBoundBytes {
		r.From = r.From[:maxBoundBytes]
	}
	if len(r.To) > maxBoundBytes {
		r.To = run.Successor(r.To[:maxBoundBytes])
	}
	return r
}
