package sstable

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// Info describes a file.
type Info struct {
	Identity vfs.Identity // random; different for each file
	Size     int64        // size of the file in bytes

	Entries    int64 // sets, deletes and appends
	Deletes    int64 // number of deletes among Entries
	Appends    int64 // number of appends among Entries
	Tombstones int64 // prefix tombstones; range tombstones are not counted

	KeyBytes   int64 // total size of the keys of entries and tombstones
	ValueBytes int64 // total size of the values

	// Range contains all keys, all keys with the prefix of a tombstone, and all range
	// tombstones; it is empty if the file has none of them. Bounds longer than 1 KiB are cut,
	// which makes the range larger.
	Range run.Range
}

// maxBoundBytes is the maximum size of the bounds of Info.Range.
const maxBoundBytes = 1 << 10

// properties is the content of the properties block: everything that is not in other blocks.
type properties struct {
	split  string
	probes uint8 // number of probes of the filter; 0 without a filter
	info   Info  // without identity and size
}

// append appends the uncompressed block:
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

// counts returns the numbers of the properties block in their order in the file.
func (i *Info) counts() [6]*int64 {
	return [...]*int64{&i.Entries, &i.Deletes, &i.Appends, &i.Tombstones, &i.KeyBytes, &i.ValueBytes}
}

// parse decodes the block, and reports whether it is valid.
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

// tally computes Info from the entries of a file, in their order.
type tally struct {
	info     Info
	some     bool   // an entry was added
	first    []byte // first key, up to maxBoundBytes
	last     []byte
	lastKind run.Kind
	furthest []byte // boundary of the tombstone that reaches furthest
}

// follows reports whether an entry may follow the last one.
func (t *tally) follows(kind run.Kind, key []byte) bool {
	if !t.some {
		return true
	}
	order := bytes.Compare(t.last, key)
	return order < 0 || order == 0 && t.lastKind == run.DeletePrefix && kind != run.DeletePrefix
}

// repeats reports whether the last entry is a tombstone with the given key.
func (t *tally) repeats(key []byte) bool {
	return t.lastKind == run.DeletePrefix && bytes.Equal(t.last, key)
}

// add counts an entry.
func (t *tally) add(kind run.Kind, key []byte, valueBytes int64) {
	i := &t.info
	i.KeyBytes += int64(len(key))
	i.ValueBytes += valueBytes
	if !t.some {
		t.some, t.first = true, bytes.Clone(key[:min(len(key), maxBoundBytes)])
	}
	t.last, t.lastKind = append(t.last[:0], key...), kind
	if kind == run.DeletePrefix {
		// A tombstone that begins with an earlier prefix reaches no further than that.
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

// span returns Info.Range.
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

// boundary returns the part of a key on which the shortened range depends.
func boundary(key []byte) []byte { return key[:min(len(key), maxBoundBytes+1)] }

// keyRange returns the range of a single key.
func keyRange(key []byte) run.Range {
	return run.Range{From: key, To: append(bytes.Clone(key), 0)}
}

// shortened returns a range with bounds of at most maxBoundBytes that contains r.
func shortened(r run.Range) run.Range {
	if len(r.From) > maxBoundBytes {
		r.From = r.From[:maxBoundBytes]
	}
	if len(r.To) > maxBoundBytes {
		r.To = run.Successor(r.To[:maxBoundBytes])
	}
	return r
}
