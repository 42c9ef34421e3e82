package sstable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// WriterOptions configures how a file is written. Readers do not need them.
type WriterOptions struct {
	// Compression of blocks and chunks. Default: None.
	Compression Compression

	// BlockBytes is the maximum size of an uncompressed data block: the amount of data that a
	// read of one key loads, and the best size of a cache frame. A block is larger only if a
	// single entry, or a tombstone together with the entry of its key, is larger. Default:
	// 4096; at most 1 MiB.
	BlockBytes int

	// FilterBits is the size of the filter in bits for each key. With 10 bits, approx. 1 % of
	// the reads of absent keys read a block. Default: 10; a negative value: no filter.
	FilterBits int

	// FilterMemory limits the memory for building the filter: 8 bytes for each key, and for
	// each prefix that is shorter than its keys. A file that would need more gets no filter.
	// Default: no limit.
	FilterMemory int64

	// LargeBytes is the maximum size of a value in a data block; larger values are stored as a
	// sequence of chunks. Default: 64 KiB; at most 1 MiB.
	LargeBytes int64

	// Budget provides the memory for building the filter, until Finish or Close. Default: a
	// budget of its own.
	Budget *Budget

	// Split cuts keys into prefix and suffix. Default: run.WholeKey.
	Split run.Split

	// Identity of the file. Default: random; only tests set it.
	Identity vfs.Identity
}

// DefaultBlockBytes is the default of WriterOptions.BlockBytes.
const DefaultBlockBytes = 4096

const (
	defaultFilterBits = 10
	maxFilterBits     = 64
	defaultLargeBytes = 64 << 10
	maxLargeBytes     = 1 << 20

	// maxKeyBytes is the largest limit that options of the tree can set.
	maxKeyBytes = int64(1)<<31 + 64

	// writeBytes is the size of writes to the file.
	writeBytes = 256 << 10

	// Writing an entry takes approximately entryNanos, and byteNanos for each byte of key and
	// value.
	entryNanos, byteNanos = 150, 2
)

// withDefaults replaces unset options by their defaults, and limits the others.
func (o WriterOptions) withDefaults() WriterOptions {
	o.BlockBytes = min(cmp.Or(max(o.BlockBytes, 0), DefaultBlockBytes), maxPackedBytes)
	o.FilterBits = min(cmp.Or(o.FilterBits, defaultFilterBits), maxFilterBits)
	o.LargeBytes = min(cmp.Or(max(o.LargeBytes, 0), defaultLargeBytes), maxLargeBytes)
	if o.Split.Func == nil {
		o.Split = run.WholeKey
	}
	if o.Budget == nil {
		o.Budget = NewBudget(0)
	}
	if o.Identity == (vfs.Identity{}) {
		o.Identity = vfs.NewIdentity()
	}
	return o
}

// Writer writes a file: AddRange and Add for its content, then Finish, then Close. After an
// error, all methods return that error.
//
//	Add -> builder (data block) -> packer (compress, checksum) -> out -> file
//	          \-> index, hashes (filter), tally (properties): written by Finish
//
// Entries must be added in ascending order of keys, so the file is written sequentially and in
// one pass. Memory: one block, the index, and 8 bytes for each hash of the filter.
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
	tally   tally
	pacer   pace.Pacer // writers work in the background

	buffer *[writeBytes]byte
	out    []byte // bytes not written to the file yet; uses buffer
	offset int64  // offset in the file of the end of out
	value  []byte // scratch for a value that is read from a stream, or for a reference
	chunk  []byte // scratch for a chunk

	prefix   []byte // last prefix that was added to the filter
	prefixed bool   // prefix is set
}

// writeBuffers are reused, because a new buffer for each file would create much garbage.
var writeBuffers = sync.Pool{New: func() any { return new([writeBytes]byte) }}

// NewWriter returns a writer of an empty file. The caller closes the writer, then the file.
func NewWriter(f vfs.File, o WriterOptions) *Writer {
	o = o.withDefaults()
	w := &Writer{file: f, options: o, packer: packer{id: o.Identity, compression: o.Compression}}
	w.tally.info.Identity = o.Identity
	if o.Compression > Zstd {
		w.err = fmt.Errorf("compression %d, want 0 to %d: %w", o.Compression, Zstd, ErrInvalidOption)
	}
	w.hashes.budget = o.Budget
	w.buffer = writeBuffers.Get().(*[writeBytes]byte)
	w.out = appendHeader(w.buffer[:0], w.packer.id)
	w.offset = headerBytes
	return w
}

// Size returns the size in bytes of the data so far, including the block that is not written
// yet, without filter and index.
func (w *Writer) Size() int64 { return w.offset + w.builder.size() }

// FilterMemory returns the memory of the budget that is used for building the filter, in
// bytes.
func (w *Writer) FilterMemory() int64 { return w.hashes.count * hashBytes }

// Add adds an entry. Keys must be ascending; a DeletePrefix comes before the entry of the same
// key. The bytes are copied, and a large value is read to its end. The error is ErrOrder,
// ErrTooLarge or ErrInvalidOption, or an error of the file or the value.
func (w *Writer) Add(e *run.Entry) error {
	if w.err == nil {
		w.err = w.add(e)
	}
	return w.err
}

// add is Add without the check for earlier errors.
func (w *Writer) add(e *run.Entry) error {
	switch {
	case !e.Kind.Valid():
		return fmt.Errorf("entry of kind %d, want %d to %d: %w", e.Kind, run.Set, run.DeletePrefix, ErrInvalidOption)
	case int64(len(e.Key)) > maxKeyBytes:
		return fmt.Errorf("key of %d bytes, limit %d: %w", len(e.Key), maxKeyBytes, ErrTooLarge)
	case !w.tally.follows(e.Kind, e.Key):
		return fmt.Errorf("%s entry is not above the %s entry before it: %w", e.Kind, w.tally.lastKind, ErrOrder)
	}
	var valueBytes int64
	if e.Kind.HasValue() {
		valueBytes = e.Value.Size()
	}
	large := valueBytes > w.options.LargeBytes
	// The chunks of a value are written between the previous block and the block of its entry.
	if err := w.makeRoom(e.Key, large, valueBytes); err != nil {
		return err
	}
	form, value := byte(e.Kind), e.Value.Bytes
	var err error
	switch {
	case large:
		form |= formLarge
		value, err = w.writeLarge(e.Value)
	case valueBytes == 0:
		value = nil
	case e.Value.Large != nil:
		w.value = resized(w.value, int(valueBytes))
		value = w.value
		err = readValue(e.Value.Reader(), value)
	}
	if err != nil {
		return err
	}
	w.pacer.Spend(entryNanos + byteNanos*min(len(e.Key)+len(value), pace.QuantumNanos))
	hash := entryHash(e.Kind, e.Key)
	w.builder.add(form, hash, e.Key, value)
	w.tally.add(e.Kind, e.Key, valueBytes)
	w.enterFilter(e, hash)
	return nil
}

// makeRoom ends the current block if an entry does not fit into it. A tombstone and the entry
// of its key stay in one block, because the index cannot separate equal keys.
func (w *Writer) makeRoom(key []byte, large bool, valueBytes int64) error {
	b := &w.builder
	if large {
		valueBytes = referenceBytes
	}
	if b.empty() || len(b.entries) < maxEntries-1 && b.sizeWith(key, valueBytes) <= int64(w.options.BlockBytes) {
		return nil
	}
	if !w.tally.repeats(key) {
		return w.flush(key)
	}
	if len(b.entries) == 1 {
		return nil
	}
	tombstone := b.pop()
	if err := w.flush(key); err != nil {
		return err
	}
	b.add(tombstone.form, tombstone.hash, key, nil)
	return nil
}

// enterFilter adds the hashes of an entry to the filter: of its key or tombstone, and of the
// key's prefix if that is shorter than the key and differs from the previous prefix.
func (w *Writer) enterFilter(e *run.Entry, hash uint64) {
	if w.options.FilterBits < 0 {
		return
	}
	if limit := w.options.FilterMemory; limit > 0 && w.FilterMemory() >= limit {
		w.hashes.release()
		w.options.FilterBits = -1
		return
	}
	w.hashes.add(hash)
	if e.Kind == run.DeletePrefix {
		return
	}
	n := w.options.Split.Func(e.Key)
	if n == len(e.Key) || w.prefixed && bytes.Equal(e.Key[:n], w.prefix) {
		return
	}
	w.prefixed, w.prefix = true, append(w.prefix[:0], e.Key[:n]...)
	w.hashes.add(run.Hash(w.prefix))
}

// AddRange adds a range tombstone. It may be called at any time before Finish.
func (w *Writer) AddRange(r run.Range) error {
	if w.err == nil {
		w.ranges.Add(r)
	}
	return w.err
}

// flush writes the current block. next is the first key of the following block.
func (w *Writer) flush(next []byte) error {
	w.index.addSeparator(w.builder.lastKey(), next)
	return w.writeBlock()
}

// writeBlock writes the current block and adds it to the index.
func (w *Writer) writeBlock() error {
	b, err := w.packer.pack(w.builder.finish(), w.offset)
	if err != nil {
		return err
	}
	w.index.addBlock(w.offset, int64(len(b)))
	return w.write(b)
}

// write appends to the file, in few large writes.
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

// drain writes the buffered bytes to the file.
func (w *Writer) drain() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.file.Write(w.out)
	w.out = w.out[:0]
	return err
}

// Close returns the memory of the writer to the budget. It does not close the file, and does
// not finish it. Further calls of Close have no effect; other methods return an error.
func (w *Writer) Close() {
	if w.err == nil {
		w.err = ErrFinished
	}
	w.hashes.release()
	if w.buffer != nil {
		writeBuffers.Put(w.buffer)
		w.buffer, w.out = nil, nil
	}
}

// Finish writes the remaining data, filter, index and footer, and syncs the file. To make the
// file's name durable, the caller syncs its directory.
func (w *Writer) Finish() (Info, error) {
	if w.err != nil {
		return Info{}, w.err
	}
	w.err = ErrFinished
	if err := w.finish(); err != nil {
		w.err = err
		return Info{}, err
	}
	return w.tally.info, nil
}

// finish is Finish without the check for earlier errors.
func (w *Writer) finish() error {
	if !w.builder.empty() {
		if err := w.writeBlock(); err != nil {
			return err
		}
	}
	w.tally.info.Range = w.tally.span(w.ranges)
	var s sections
	p := properties{split: w.options.Split.Name, info: w.tally.info}
	if w.options.FilterBits >= 0 {
		f, err := w.hashes.filter(w.options.FilterBits)
		if err != nil {
			return fmt.Errorf("filter of %d hashes: %w", w.hashes.count, err)
		}
		w.hashes.release()
		p.probes = f.probes
		s.filter, err = w.writeSection(f.blocks)
		w.options.Budget.Free(f.blocks[:cap(f.blocks)])
		if err != nil {
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
	w.tally.info.Size = w.offset
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

// writeLarge writes a value as chunks, and returns the reference to them.
func (w *Writer) writeLarge(v run.Value) (reference []byte, err error) {
	from, left, r := w.offset, v.Size(), v.Reader()
	if w.chunk == nil {
		w.chunk = make([]byte, maxChunkBytes, maxChunkBytes+trailerBytes)
	}
	for left > 0 {
		raw := w.chunk[:min(left, maxChunkBytes)]
		left -= int64(len(raw))
		if err := readValue(r, raw); err != nil {
			return nil, fmt.Errorf("reading a value of %d bytes: %w", v.Size(), err)
		}
		w.pacer.Spend(byteNanos * len(raw))
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

// readValue fills b. If r ends early, the error is io.ErrUnexpectedEOF.
func readValue(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
