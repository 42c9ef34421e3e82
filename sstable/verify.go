package sstable

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/weirstate/weir/run"
)

// Verify reads the whole file and checks everything in it: checksums; that blocks and chunks
// follow each other without gaps; that each block is the encoding of its entries; order,
// index, filter, range tombstones and properties. It ignores the clip. The error is ErrCorrupt
// with an offset, an error of the file, or the cause of the end of ctx. progress, if not nil,
// is called with the number of data bytes verified so far. The caller must not hold the
// CacheLock; Verify takes it for a moment to keep the table open.
func (t *Table) Verify(ctx context.Context, progress func(done, total int64)) error {
	if err := t.pin(false); err != nil {
		return fmt.Errorf("verifying a table: %w", err)
	}
	defer t.unpin()
	v := verifier{table: t, at: headerBytes}
	for i := range t.index.count {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := v.dataBlock(ctx, i); err != nil {
			return fmt.Errorf("verifying a table: %w", err)
		}
		if progress != nil {
			progress(v.at-headerBytes, t.dataEnd-headerBytes)
		}
	}
	if err := v.end(); err != nil {
		return fmt.Errorf("verifying a table: %w", err)
	}
	return nil
}

// verifier reads the blocks of a file in order.
type verifier struct {
	table       *Table
	at          int64 // offset up to which all bytes are verified
	tally       tally
	builder     builder
	stored, raw []byte
}

// dataBlock verifies block i.
func (v *verifier) dataBlock(ctx context.Context, i int) error {
	t := v.table
	offset := t.index.offset(i)
	v.stored = resized(v.stored, int(t.index.size(i)))
	if err := t.read(v.stored, offset); err != nil {
		return err
	}
	e, err := unseal(v.stored, &t.id, offset)
	if err != nil {
		return err
	}
	v.raw = resized(v.raw, e.rawBytes)
	if err := e.unpack(v.raw, offset); err != nil {
		return err
	}
	var b block
	if !b.parse(v.raw) {
		return corrupt(offset, "invalid data block")
	}
	if err := v.entries(ctx, &b, i); err != nil {
		return err
	}
	if v.at != offset {
		return corrupt(v.at, "bytes that belong to no block")
	}
	v.at = offset + t.index.size(i)
	return nil
}

// entries verifies the entries of a block, and that the block is their encoding.
func (v *verifier) entries(ctx context.Context, b *block, i int) error {
	offset := v.table.index.offset(i)
	var key []byte
	for n, at := 0, 0; n < b.count; n++ {
		e, ok := b.at(at)
		if !ok {
			return corrupt(offset, "invalid entry")
		}
		at = e.end
		key = append(append(key[:0], b.prefix()...), b.suffix(e)...)
		if err := v.entry(ctx, key, b.value(e), e.form, i); err != nil {
			return err
		}
		v.builder.add(e.form, entryHash(e.kind(), key), key, b.value(e))
	}
	if !bytes.Equal(v.builder.finish(), b.raw) {
		return corrupt(offset, "a block is not the encoding of its entries")
	}
	return nil
}

// entry verifies an entry of block i.
func (v *verifier) entry(ctx context.Context, key, value []byte, form byte, i int) error {
	x, kind := &v.table.index, kindOf(form)
	offset := x.offset(i)
	large := form&formLarge != 0
	valueBytes := int64(len(value))
	switch {
	case !v.tally.follows(kind, key):
		return corrupt(offset, "entries out of order")
	case x.find(key) != i:
		return corrupt(offset, "the index places a key in another block")
	case !v.inFilter(kind, key):
		return corrupt(offset, "a key is missing from the filter")
	case !kind.HasValue() && (valueBytes > 0 || large):
		return corrupt(offset, "a delete or tombstone has a value")
	}
	if large {
		var err error
		if valueBytes, err = v.large(ctx, value, offset); err != nil {
			return err
		}
	}
	v.tally.add(kind, key, valueBytes)
	return nil
}

// inFilter reports whether the filter has an entry, and the prefix of its key.
func (v *verifier) inFilter(kind run.Kind, key []byte) bool {
	f, n := &v.table.filter, v.table.split.Func(key)
	if !f.mayHold(entryHash(kind, key)) {
		return false
	}
	return kind == run.DeletePrefix || n == len(key) || f.mayHold(run.Hash(key[:n]))
}

// large verifies a large value, which must begin where the previous bytes ended.
func (v *verifier) large(ctx context.Context, reference []byte, offset int64) (bytes int64, err error) {
	l, ok := v.table.newLarge(reference)
	if !ok || l.offset != v.at {
		return 0, corrupt(offset, "invalid reference to a large value")
	}
	v.at += l.storedBytes
	_, err = io.Copy(io.Discard, contextReader{ctx, l.Reader()})
	return l.size, err
}

// contextReader is a reader that ends with its context.
type contextReader struct {
	context.Context
	io.Reader
}

// Read implements io.Reader.
func (r contextReader) Read(p []byte) (int, error) {
	if r.Err() != nil {
		return 0, context.Cause(r.Context)
	}
	return r.Reader.Read(p)
}

// end verifies everything but the data.
func (v *verifier) end() error {
	t, s := v.table, v.table.sections
	if v.at != t.dataEnd {
		return corrupt(v.at, "bytes that belong to no block")
	}
	if err := v.compareFile(appendHeader(nil, t.id), 0); err != nil {
		return err
	}
	// The contents of filter and index were verified when they were used above.
	if err := v.compareFile(t.region[:s.filter+s.index], v.at); err != nil {
		return err
	}
	v.at += s.filter + s.index
	var ranges run.Ranges
	if s.ranges > 0 {
		raw, err := t.smallSection(v.at, s.ranges)
		if err != nil {
			return err
		}
		ranges, _ = parseRanges(raw)
		if !bytes.Equal(appendRanges(nil, ranges), raw) {
			return corrupt(v.at, "invalid range tombstones")
		}
		v.at += s.ranges
	}
	raw, err := t.smallSection(v.at, s.properties)
	if err != nil {
		return err
	}
	v.tally.info.Range = v.tally.span(ranges)
	want := properties{split: t.split.Name, probes: t.filter.probes, info: v.tally.info}
	if !bytes.Equal(want.append(nil), raw) {
		return corrupt(v.at, "the properties do not match the entries")
	}
	v.at += s.properties
	return v.compareFile(s.appendFooter(nil, t.id, v.at), v.at)
}

// compareFile verifies that the file has the wanted bytes at an offset.
func (v *verifier) compareFile(want []byte, offset int64) error {
	const stepBytes = 1 << 20
	for len(want) > 0 {
		n := min(len(want), stepBytes)
		v.stored = resized(v.stored, n)
		if err := v.table.read(v.stored, offset); err != nil {
			return err
		}
		if !bytes.Equal(v.stored, want[:n]) {
			return corrupt(offset, "the file has changed since the table was opened")
		}
		want, offset = want[n:], offset+int64(n)
	}
	return nil
}
