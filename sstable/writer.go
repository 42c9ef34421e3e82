package sstable

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/vfs"
)

// WriterOptions say how a file is written. Any file is read without them.
type WriterOptions struct {
	// Compression of blocks and chunks. Default: None.
	Compression Compression

	// BlockBytes bounds a data block, raw: what one read of a key loads, and
	// what a frame of a cache should have. A block is larger only if an entry,
	// or a tombstone with the entry of its key, is. Default: 4096; at most 1 MiB.
	BlockBytes int

	// FilterBits is how many bits of filter there are for a key. 10 leave about
	// 1 % of the reads of absent keys. Default: 10; below 0: no filter.
	FilterBits int

	// LargeBytes is up to which size values stand in data blocks; larger ones
	// are a stream of chunks. Default: 64 KiB; at most 1 MiB.
	LargeBytes int64

	// Split of the keys. Default: run.WholeKey.
	Split run.Split

	// Identity of the file. Default: random, as it must be for all but tests.
	Identity [16]byte
}

const (
	defaultBlockBytes = 4096
	defaultFilterBits = 10
	maxFilterBits     = 64
	defaultLargeBytes = 64 << 10
	maxLargeBytes     = 1 << 20

	// maxKeyBytes is the limit of the tree.
	maxKeyBytes = int64(1) << 31

	// writeBytes are gathered for a call of the system.
	writeBytes = 256 << 10
)

func (o WriterOptions) withDefaults() WriterOptions {
	o.BlockBytes = min(cmp.Or(max(o.BlockBytes, 0), defaultBlockBytes), maxPackedBytes)
	o.FilterBits = min(cmp.Or(o.FilterBits, defaultFilterBits), maxFilterBits)
	o.LargeBytes = min(cmp.Or(max(o.LargeBytes, 0), defaultLargeBytes), maxLargeBytes)
	if o.Split.Func == nil {
		o.Split = run.WholeKey
	}
	if o.Identity == [16]byte{} {
		_, _ = rand.Read(o.Identity[:]) // never fails
	}
	return o
}

// Writer writes a file. After an error it returns that error for ever.
//
// Thread safety: one goroutine.
type Writer struct {
	file    vfs.File
	options WriterOptions
	err     error

	packer  packer
	builder builder
	index   indexBuilder
	hashes  hashes
	ranges  run.Ranges
	info    Info

	out    []byte // not yet written to the file
	offset int64  // at the end of out
	value  []byte // that was a stream
	chunk  []byte

	some        bool // anything was added
	first, last []byte
	lastKind    run.Kind
	lastPrefix  int    // size, of the last key that is no tombstone, -1 if there is none
	prefixOf    []byte // that prefix
	top         []byte // the tombstone whose keys reach furthest
	tombstones  bool
}

// NewWriter returns a writer of an empty file, which stays the caller's to
// close.
func NewWriter(f vfs.File, o WriterOptions) *Writer {
	o = o.withDefaults()
	w := &Writer{file: f, options: o, packer: packer{id: o.Identity, compression: o.Compression}, lastPrefix: -1}
	w.info.Identity = o.Identity
	if o.Compression > Zstd {
		w.err = fmt.Errorf("compression %d: %w", o.Compression, ErrOption)
	}
	w.out = appendHeader(nil, w.packer.id)
	w.offset = headerBytes
	return w
}

// Size is what was written so far and what the pending block is going to take,
// in bytes. Filter and index come on top of it.
func (w *Writer) Size() int64 { return w.offset + w.builder.size() }

// Add adds an entry: ascending by key, a DeletePrefix before the entry of the
// same key. The bytes are copied; a large value is read as a stream. The error
// is ErrOrder or ErrTooLarge, or what the file or the value returned.
func (w *Writer) Add(e *run.Entry) error {
	if w.err == nil {
		w.err = w.add(e)
	}
	return w.err
}

func (w *Writer) add(e *run.Entry) error {
	if err := w.check(e); err != nil {
		return err
	}
	form, value, err := w.form(e)
	if err != nil {
		return err
	}
	hash := entryHash(e.Kind, e.Key)
	if err := w.place(form, hash, e, value); err != nil {
		return err
	}
	w.count(e)
	w.enterFilter(e, hash)
	if !w.some {
		w.some, w.first = true, bytes.Clone(e.Key)
	}
	w.last = append(w.last[:0], e.Key...)
	w.lastKind = e.Kind
	return nil
}

func (w *Writer) check(e *run.Entry) error {
	switch {
	case !e.Kind.Valid():
		return fmt.Errorf("entry of kind %d: %w", e.Kind, ErrOption)
	case int64(len(e.Key)) > maxKeyBytes:
		return fmt.Errorf("key of %d bytes, limit %d: %w", len(e.Key), maxKeyBytes, ErrTooLarge)
	case !w.some:
		return nil
	}
	order := bytes.Compare(w.last, e.Key)
	if order < 0 || order == 0 && w.lastKind == run.DeletePrefix && e.Kind != run.DeletePrefix {
		return nil
	}
	return fmt.Errorf("%s after %s: %w", e.Kind, w.lastKind, ErrOrder)
}

// form returns how an entry is going to stand in its block. A large value is
// written.
func (w *Writer) form(e *run.Entry) (form byte, value []byte, err error) {
	form = byte(e.Kind)
	switch {
	case !e.Kind.HasValue():
		return form, nil, nil
	case e.Value.Size() > w.options.LargeBytes:
		value, err = w.writeLarge(e.Value)
		return form | formLarge, value, err
	case e.Value.Large != nil:
		w.value = resized(w.value, int(e.Value.Size()))
		_, err = io.ReadFull(e.Value.Reader(), w.value)
		return form, w.value, err
	}
	return form, e.Value.Bytes, nil
}

// place puts an entry into the pending block, or into the next one if it does
// not fit. A tombstone and the entry of its key stay together: the index cannot
// tell them apart.
func (w *Writer) place(form byte, hash uint64, e *run.Entry, value []byte) error {
	b := &w.builder
	full := len(b.entries) >= maxEntries-1 || b.sizeWith(e.Key, int64(len(value))) > int64(w.options.BlockBytes)
	if full && !b.empty() {
		paired := w.lastKind == run.DeletePrefix && bytes.Equal(w.last, e.Key)
		if !paired {
			if err := w.flush(e.Key); err != nil {
				return err
			}
		} else if len(b.entries) > 1 {
			tombstone := b.entries[len(b.entries)-1]
			b.pop()
			if err := w.flush(e.Key); err != nil {
				return err
			}
			b.add(tombstone.form, tombstone.hash, e.Key, nil)
		}
	}
	b.add(form, hash, e.Key, value)
	return nil
}

func (w *Writer) count(e *run.Entry) {
	w.info.KeyBytes += int64(len(e.Key))
	switch e.Kind {
	case run.DeletePrefix:
		w.info.Tombstones++
		if !w.tombstones || !bytes.HasPrefix(e.Key, w.top) {
			w.tombstones, w.top = true, append(w.top[:0], e.Key...)
		}
		return
	case run.Delete:
		w.info.Deletes++
	case run.Append:
		w.info.Appends++
	}
	w.info.Entries++
	if e.Kind.HasValue() {
		w.info.ValueBytes += e.Value.Size()
	}
}

// enterFilter enters keys, once their prefixes if they are shorter, and
// tombstones.
func (w *Writer) enterFilter(e *run.Entry, hash uint64) {
	if w.options.FilterBits < 0 {
		return
	}
	w.hashes.add(hash)
	if e.Kind == run.DeletePrefix {
		return
	}
	n := w.options.Split.Func(e.Key)
	if n == len(e.Key) || n == w.lastPrefix && bytes.Equal(e.Key[:n], w.prefixOf) {
		return
	}
	w.lastPrefix, w.prefixOf = n, append(w.prefixOf[:0], e.Key[:n]...)
	w.hashes.add(run.Hash(w.prefixOf))
}

// AddRange adds a range tombstone, at any time before Finish.
func (w *Writer) AddRange(r run.Range) error {
	if w.err == nil {
		w.ranges.Add(r)
	}
	return w.err
}

// flush writes the pending block. next is the first key of the one that
// follows.
func (w *Writer) flush(next []byte) error {
	w.index.addSeparator(w.builder.lastKey(), next)
	return w.writeBlock()
}

func (w *Writer) writeBlock() error {
	b, err := w.packer.pack(w.builder.finish(), w.offset)
	if err != nil {
		return err
	}
	w.index.addBlock(w.offset, int64(len(b)))
	return w.write(b)
}

// write appends to the file, with few calls.
func (w *Writer) write(b []byte) error {
	w.offset += int64(len(b))
	if len(w.out)+len(b) > writeBytes {
		if err := w.drain(); err != nil {
			return err
		}
	}
	if len(b) > writeBytes {
		_, err := w.file.Write(b)
		return err
	}
	w.out = append(w.out, b...)
	return nil
}

func (w *Writer) drain() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.file.Write(w.out)
	w.out = w.out[:0]
	return err
}

// Finish writes the rest and makes the file durable; not its name, which is its
// directory's.
func (w *Writer) Finish() (Info, error) {
	if w.err != nil {
		return Info{}, w.err
	}
	w.err = ErrFinished
	if err := w.finish(); err != nil {
		w.err = err
		return Info{}, err
	}
	return w.info, nil
}

func (w *Writer) finish() error {
	if !w.builder.empty() {
		if err := w.writeBlock(); err != nil {
			return err
		}
	}
	w.info.Range = w.span()
	var s sections
	p := properties{split: w.options.Split.Name, info: w.info}
	if w.options.FilterBits >= 0 {
		f, err := w.hashes.filter(w.options.FilterBits)
		if err != nil {
			return fmt.Errorf("filter of %d hashes: %w", w.hashes.count, err)
		}
		w.hashes = hashes{}
		p.probes = f.probes
		if s.filter, err = w.writeSection(f.blocks); err != nil {
			return err
		}
	}
	var err error
	if s.index, err = w.writeSection(w.index.finish()); err != nil {
		return err
	}
	if len(w.ranges) > 0 {
		if s.ranges, err = w.writeSection(appendRanges(nil, w.ranges)); err != nil {
			return err
		}
	}
	if s.properties, err = w.writeSection(p.append(nil)); err != nil {
		return err
	}
	if err := w.write(s.appendFooter(nil, w.packer.id, w.offset)); err != nil {
		return err
	}
	w.info.Size = w.offset
	if err := w.drain(); err != nil {
		return err
	}
	return w.file.Sync()
}

// writeSection writes a block that is never compressed.
func (w *Writer) writeSection(raw []byte) (bytes int64, err error) {
	b := seal(raw, None, len(raw), w.packer.id, w.offset)
	return int64(len(b)), w.write(b)
}

// span is Info.Range.
func (w *Writer) span() run.Range {
	var s span
	if w.some {
		s.add(keyRange(w.first))
		s.add(keyRange(w.last))
	}
	if w.tombstones {
		s.add(run.PrefixRange(w.top))
	}
	for _, r := range w.ranges {
		s.add(r)
	}
	return s.finish()
}

// writeLarge writes the chunks of a value and returns the reference to them.
func (w *Writer) writeLarge(v run.Value) (reference []byte, err error) {
	from, left, r := w.offset, v.Size(), v.Reader()
	if w.chunk == nil {
		w.chunk = make([]byte, maxChunkBytes, maxChunkBytes+trailerBytes)
	}
	for left > 0 {
		raw := w.chunk[:min(left, maxChunkBytes)]
		left -= int64(len(raw))
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, fmt.Errorf("value of %d bytes: %w", v.Size(), err)
		}
		b, err := w.packer.pack(raw, w.offset+chunkHeadBytes)
		if err != nil {
			return nil, err
		}
		if err := w.write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
			return nil, err
		}
		if err := w.write(b); err != nil {
			return nil, err
		}
	}
	w.value = appendReference(w.value[:0], from, v.Size(), w.offset-from)
	return w.value, nil
}
