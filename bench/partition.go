package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
)

// partitions is how many partitions the flights are dealt into: flight i of the
// input goes to partition i mod partitions.
const partitions = 4

// recordBytes is the size of a flight in a partition's file: its fields in
// their order, little-endian.
const recordBytes = 12

func appendRecord(dst []byte, f flight) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.minute))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(f.delay))
	dst = binary.LittleEndian.AppendUint16(dst, f.distance)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(f.origin))
	return binary.LittleEndian.AppendUint16(dst, uint16(f.destination))
}

func readRecord(b []byte) flight {
	_ = b[recordBytes-1]
	return flight{
		minute:      minute(binary.LittleEndian.Uint32(b)),
		delay:       int16(binary.LittleEndian.Uint16(b[4:])),
		distance:    binary.LittleEndian.Uint16(b[6:]),
		origin:      airport(binary.LittleEndian.Uint16(b[8:])),
		destination: airport(binary.LittleEndian.Uint16(b[10:])),
	}
}

// census is what is compared between the flights that were dealt out and those
// in the files, in whatever order: how many there are, and the sum of the
// hashes (xxh64) of their records.
type census struct {
	flights int64
	sum     uint64
}

func (c *census) add(record []byte) {
	c.flights++
	c.sum += xxhash.Sum64(record)
}

func partitionPath(dir string, partition int) string {
	return filepath.Join(dir, fmt.Sprintf("partition-%d", partition))
}

// partitionWriter writes one partition's file.
type partitionWriter struct {
	*disorder
	file   *os.File
	out    *bufio.Writer
	record []byte
}

func newPartitionWriter(dir string, partition int) (*partitionWriter, error) {
	file, err := os.Create(partitionPath(dir, partition))
	if err != nil {
		return nil, err
	}
	w := &partitionWriter{file: file, out: bufio.NewWriterSize(file, readBytes)}
	w.disorder = newDisorder(uint64(partition), w.write)
	return w, nil
}

func (w *partitionWriter) write(f flight) error {
	w.record = appendRecord(w.record[:0], f)
	_, err := w.out.Write(w.record)
	return err
}

// finish writes what is on its way and closes the file.
func (w *partitionWriter) finish() error {
	return errors.Join(w.flush(), w.out.Flush(), w.file.Close())
}

// partitionReader reads one partition's file.
type partitionReader struct {
	file *os.File
	in   *bufio.Reader
}

// openPartition opens a file that must hold the given number of flights, before
// the one with the number offset.
func openPartition(path string, flights, offset int64) (*partitionReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.Size() != flights*recordBytes:
		err = fmt.Errorf("%s: %d bytes, not %d flights: %w", path, info.Size(), flights, errInput)
	case offset < 0 || offset > flights:
		err = fmt.Errorf("%s: flight %d of %d: %w", path, offset, flights, errInput)
	}
	if err == nil {
		_, err = file.Seek(offset*recordBytes, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &partitionReader{file, bufio.NewReaderSize(file, readBytes)}, nil
}

// next returns the next flight, or io.EOF.
func (r *partitionReader) next() (flight, error) {
	record, err := r.nextRecord()
	if err != nil {
		return flight{}, err
	}
	return readRecord(record), nil
}

// nextRecord returns the record of the next flight, good until the next call, or
// io.EOF.
func (r *partitionReader) nextRecord() ([]byte, error) {
	record, err := r.in.Peek(recordBytes)
	if err != nil {
		return nil, err
	}
	_, err = r.in.Discard(recordBytes)
	return record, err
}

func (r *partitionReader) close() error { return r.file.Close() }
