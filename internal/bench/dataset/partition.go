package dataset

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

// Partitions is the number of partitions of a dataset. Flight i of the input is in partition
// i mod Partitions.
const Partitions = 4

// recordBytes is the size of a flight in a partition file: its fields in order, little-endian.
const recordBytes = 12

func appendRecord(dst []byte, f Flight) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.Minute))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(f.Delay))
	dst = binary.LittleEndian.AppendUint16(dst, f.Distance)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(f.Origin))
	return binary.LittleEndian.AppendUint16(dst, uint16(f.Destination))
}

func readRecord(b []byte) Flight {
	_ = b[recordBytes-1]
	return Flight{
		Minute:      Minute(binary.LittleEndian.Uint32(b)),
		Delay:       int16(binary.LittleEndian.Uint16(b[4:])),
		Distance:    binary.LittleEndian.Uint16(b[6:]),
		Origin:      Airport(binary.LittleEndian.Uint16(b[8:])),
		Destination: Airport(binary.LittleEndian.Uint16(b[10:])),
	}
}

// checksum identifies a multiset of flights by their number and the sum of the hashes (xxh64)
// of their records. The checksum of the partition files must equal that of the input.
type checksum struct {
	flights int64
	sum     uint64
}

func (c *checksum) add(record []byte) {
	c.flights++
	c.sum += xxhash.Sum64(record)
}

// PartitionPath returns the path of a partition file in the directory of a dataset.
func PartitionPath(dir string, partition int) string {
	return filepath.Join(dir, fmt.Sprintf("partition-%d", partition))
}

// partitionWriter writes a partition file.
type partitionWriter struct {
	*disorder
	file   *os.File
	out    *bufio.Writer
	record []byte // scratch
}

func newPartitionWriter(dir string, partition int) (*partitionWriter, error) {
	file, err := os.Create(PartitionPath(dir, partition))
	if err != nil {
		return nil, err
	}
	w := &partitionWriter{file: file, out: bufio.NewWriterSize(file, bufferBytes)}
	w.disorder = newDisorder(uint64(partition), w.write)
	return w, nil
}

func (w *partitionWriter) write(f Flight) error {
	w.record = appendRecord(w.record[:0], f)
	_, err := w.out.Write(w.record)
	return err
}

// finish writes the flights that have not arrived yet and closes the file.
func (w *partitionWriter) finish() error {
	return errors.Join(w.flush(), w.out.Flush(), w.file.Close())
}

// PartitionReader reads a partition file.
type PartitionReader struct {
	file *os.File
	in   *bufio.Reader
}

// openPartitionFile opens a partition file and skips offset flights. The file must hold the
// given number of flights.
func openPartitionFile(path string, flights, offset int64) (*PartitionReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.Size() != flights*recordBytes:
		err = fmt.Errorf("%s has %d bytes, want %d for %d flights: %w", path, info.Size(), flights*recordBytes, flights, ErrInput)
	case offset < 0 || offset > flights:
		err = fmt.Errorf("%s: offset %d is not from 0 to %d flights: %w", path, offset, flights, ErrInput)
	}
	if err == nil {
		_, err = file.Seek(offset*recordBytes, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &PartitionReader{file, bufio.NewReaderSize(file, bufferBytes)}, nil
}

// Next returns the next flight, or io.EOF.
func (r *PartitionReader) Next() (Flight, error) {
	record, err := r.nextRecord()
	if err != nil {
		return Flight{}, err
	}
	return readRecord(record), nil
}

// nextRecord returns the record of the next flight, or io.EOF. The record is valid until the
// next call.
func (r *PartitionReader) nextRecord() ([]byte, error) {
	record, err := r.in.Peek(recordBytes)
	if err != nil {
		return nil, err
	}
	_, err = r.in.Discard(recordBytes)
	return record, err
}

// Close closes the file.
func (r *PartitionReader) Close() error { return r.file.Close() }
