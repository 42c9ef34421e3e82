package lsm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// page encodes manifest edits and log records by docs/format-manifest.md and docs/format-log.md. It
// does not use the store's encoder and checks nothing, so that it can also write invalid data.
type page []byte

func (p *page) bytes(b ...byte) { *p = append(*p, b...) }

func (p *page) raw(s string) { *p = append(*p, s...) }

func (p *page) uvarint(n uint64) { *p = binary.AppendUvarint(*p, n) }

func (p *page) text(s string) {
	p.uvarint(uint64(len(s)))
	p.raw(s)
}

// bound appends the end of a range. noEnd stands for a range without an end.
func (p *page) bound(s string) {
	if s == noEnd {
		p.bytes(0)
		return
	}
	p.uvarint(uint64(len(s)) + 1)
	p.raw(s)
}

const noEnd = "no end"

// pageTable holds the fields of a table in an edit.
type pageTable struct {
	level, number, run        uint64
	identity                  string
	size, entries, tombstones uint64
	bounds, clip              [2]string
}

func (p *page) table(t pageTable) {
	p.uvarint(t.number)
	p.uvarint(t.run)
	p.raw(t.identity)
	p.uvarint(t.size)
	p.uvarint(t.entries)
	p.uvarint(t.tombstones)
	for _, r := range [][2]string{t.bounds, t.clip} {
		p.text(r[0])
		p.bound(r[1])
	}
}

// pageEdit holds the fields of an edit. Only the first edit has identity, split and partition.
type pageEdit struct {
	version, first byte
	identity       string
	split          string
	partition      uint64

	flushed, nextFile, nextRun, firstLog uint64

	removed [][2]uint64 // level, number
	added   []pageTable
}

func (e pageEdit) build() []byte {
	var p page
	p.bytes(e.version, e.first)
	if e.first == 1 {
		p.raw(e.identity)
		p.text(e.split)
		p.uvarint(e.partition)
	}
	for _, n := range []uint64{e.flushed, e.nextFile, e.nextRun, e.firstLog} {
		p.uvarint(n)
	}
	p.uvarint(uint64(len(e.removed)))
	for _, t := range e.removed {
		p.bytes(byte(t[0]))
		p.uvarint(t[1])
	}
	p.uvarint(uint64(len(e.added)))
	for _, t := range e.added {
		p.bytes(byte(t.level))
		p.table(t)
	}
	return p
}

// pageRecord returns a record: the first byte and the bytes that fill appends.
func pageRecord(first byte, fill func(p *page)) []byte {
	p := page{first}
	fill(&p)
	return p
}

// op appends an operation: its kind, its key and, if the kind has one, its value.
func (p *page) op(kind byte, texts ...string) {
	p.bytes(kind)
	for _, s := range texts {
		p.text(s)
	}
}

// pageCurrent returns the content of CURRENT for a manifest with this number and file identity.
func pageCurrent(manifest uint64, identity string) []byte {
	return pageSummed(fmt.Sprintf("MANIFEST-%06d %x", manifest, identity))
}

// pageClosedCurrent returns the content of CURRENT of a closed store. size is that of the manifest.
func pageClosedCurrent(manifest uint64, identity string, size int64) []byte {
	return pageSummed(fmt.Sprintf("2 MANIFEST-%06d %x %d", manifest, identity, size))
}

// pageSummed returns a line with its checksum.
func pageSummed(content string) []byte {
	return slices.Concat([]byte(content), fmt.Appendf(nil, " %016x\n", xxhash.Sum64String(content)))
}
