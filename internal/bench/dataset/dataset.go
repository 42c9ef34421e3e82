package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrInput is returned when the partition files do not hold the flights of the input.
var ErrInput = errors.New("the partitions do not hold the flights of the input")

// Dataset is the input of a job: flights in partitions. Each partition is a file in the order of
// arrival. The files take the place of a replayable log, so the time to write them is not
// measured.
type Dataset struct {
	Dir     string            // the directory of the partition files
	Records [Partitions]int64 // number of records of each partition
	// Disorder is the maximum event time, in seconds, by which a flight is earlier than a
	// flight that precedes it in its partition.
	Disorder int64
	// Keys is the number of keys of the large job, which generates its records and has no
	// partition files. It is 0 for flights.
	Keys int64
}

// Prepare writes the first n flights of the file at path, or all if there are fewer, to
// partition files in dir. It returns an error for a malformed line. Finally it reads the
// partition files and compares their checksum with that of the flights.
func Prepare(ctx context.Context, path, dir string, n int64) (d Dataset, err error) {
	input, err := writePartitions(ctx, path, dir, n)
	if err != nil {
		return d, err
	}
	if input.flights == 0 {
		return d, fmt.Errorf("%s: no flights after the header", path)
	}
	d.Dir = dir
	written, err := d.count(input.flights)
	if err == nil && written != input {
		err = ErrInput
	}
	return d, err
}

// writePartitions writes the partition files. It returns the checksum of the flights that it has
// read.
func writePartitions(ctx context.Context, path, dir string, n int64) (input checksum, err error) {
	var writers [Partitions]*partitionWriter
	defer func() {
		for _, w := range writers {
			if w != nil {
				err = errors.Join(err, w.finish())
			}
		}
	}()
	for i := range writers {
		if writers[i], err = newPartitionWriter(dir, i); err != nil {
			return input, err
		}
	}
	var record []byte
	for flights, err := range Flights(ctx, path, n) {
		if err != nil {
			return input, err
		}
		for _, f := range flights {
			if err := writers[input.flights%Partitions].add(f); err != nil {
				return input, err
			}
			record = appendRecord(record[:0], f)
			input.add(record)
		}
	}
	return input, nil
}

// count reads the partition files, with the given total number of flights, and sets Records and
// Disorder. It returns the checksum of the flights in the files.
func (d *Dataset) count(flights int64) (written checksum, err error) {
	for i := range d.Records {
		d.Records[i] = (flights + Partitions - 1 - int64(i)) / Partitions
		if err := d.countPartition(i, &written); err != nil {
			return written, err
		}
	}
	return written, nil
}

func (d *Dataset) countPartition(i int, written *checksum) error {
	r, err := d.OpenPartition(i, 0)
	if err != nil {
		return err
	}
	highest := Minute(0)
	for record, err := r.nextRecord(); ; record, err = r.nextRecord() {
		if err == io.EOF {
			return r.Close()
		}
		if err != nil {
			return errors.Join(err, r.Close())
		}
		written.add(record)
		f := readRecord(record)
		highest = max(highest, f.Minute)
		d.Disorder = max(d.Disorder, (highest - f.Minute).EventTime())
	}
}

// OpenPartition opens a partition for reading. offset is the number of flights to skip.
func (d *Dataset) OpenPartition(partition int, offset int64) (*PartitionReader, error) {
	return openPartitionFile(PartitionPath(d.Dir, partition), d.Records[partition], offset)
}

// Total returns the number of records of all partitions.
func (d *Dataset) Total() (n int64) {
	for _, records := range d.Records {
		n += records
	}
	return n
}
