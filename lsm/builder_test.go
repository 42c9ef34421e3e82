package lsm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// page writes edits and records of logs as docs/format-manifest.md and
// docs/format-log.md say, apart from the code and without its rules, so that it
// can write any nonsense.
type page []byte

func (p *page) bytes(b ...byte) { *p = append(*p, b...) }

func (p *page) raw(s string) { *p = append(*p, s...) }

func (p *page) uvarint(n uint64) { *p = binary.AppendUvarint(*p, n) }

func (p *page) text(s string) {
	p.uvarint(uint64(len(s)))
	p.raw(s)
}

// bound is the end of a range; noEnd is that of all keys.
func (p *page) bound(s string) {
	if s == noEnd {
		p.bytes(0)
		return
	}
	p.uvarint(uint64(len(s)) + 1)
	p.raw(s)
}

const noEnd = "no end"

// pageTable is a table as the page has it.
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

// pageEdit is an edit as the page has it: identity, split and partition are only
// there if it is the first.
type pageEdit struct {
	version, first byte
	identity       string
	split          string
	partition      uint64

	flushed, nextFile, nextRun, firstLog uint64

	gone [][2]uint64 // level, number
	come []pageTable
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
	p.uvarint(uint64(len(e.gone)))
	for _, t := range e.gone {
		p.bytes(byte(t[0]))
		p.uvarint(t[1])
	}
	p.uvarint(uint64(len(e.come)))
	for _, t := range e.come {
		p.bytes(byte(t.level))
		p.table(t)
	}
	return p
}

// pageRecord is a record that begins with a byte.
func pageRecord(first byte, fill func(p *page)) []byte {
	p := page{first}
	fill(&p)
	return p
}

// op adds an operation: a key, and a value where the kind has one.
func (p *page) op(kind byte, texts ...string) {
	p.bytes(kind)
	for _, s := range texts {
		p.text(s)
	}
}

// pageCurrent is the content of CURRENT, of a manifest whose file has an identity.
func pageCurrent(manifest uint64, identity string) []byte {
	return pageSummed(fmt.Sprintf("MANIFEST-%06d %x", manifest, identity))
}

// pageClosedCurrent is the content of CURRENT of a store that was closed.
func pageClosedCurrent(manifest uint64, identity string, size int64) []byte {
	return pageSummed(fmt.Sprintf("2 MANIFEST-%06d %x %d", manifest, identity, size))
}

// pageSummed is a line with its checksum.
func pageSummed(content string) []byte {
	return slices.Concat([]byte(content), fmt.Appendf(nil, " %016x\n", xxhash.Sum64String(content)))
}
