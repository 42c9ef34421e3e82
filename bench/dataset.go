package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// errInput is returned when the partitions do not hold what was dealt to them.
var errInput = errors.New("the partitions do not hold the flights of the input")

// deck is the input of the job: the flights of a file, dealt into partitions,
// each a file of its own in the order of arrival. It takes the place of a
// replayable log, so making it is no part of the job.
type deck struct {
	Dir     string
	Records [partitions]int64
	// Disorder is by how much event time a flight is earlier than one before it
	// in its partition, at most.
	Disorder int64
	// Keys is above zero for the large job, whose records are made while they are read.
	Keys int64
}

// deal makes the deck of the first n flights of a file, or of all there are. It
// checks every line, and then the partitions against what was read.
func deal(ctx context.Context, path, dir string, n int64) (d deck, err error) {
	dealt, err := dealOut(ctx, path, dir, n)
	if err != nil {
		return d, err
	}
	if dealt.flights == 0 {
		return d, fmt.Errorf("%s: no flights after the header", path)
	}
	d.Dir = dir
	written, err := d.count(dealt.flights)
	if err == nil && written != dealt {
		err = errInput
	}
	return d, err
}

// dealOut writes the partitions' files.
func dealOut(ctx context.Context, path, dir string, n int64) (dealt census, err error) {
	var writers [partitions]*partitionWriter
	defer func() {
		for _, w := range writers {
			if w != nil {
				err = errors.Join(err, w.finish())
			}
		}
	}()
	for i := range writers {
		if writers[i], err = newPartitionWriter(dir, i); err != nil {
			return dealt, err
		}
	}
	var record []byte
	for flights, err := range flightsOf(ctx, path, n) {
		if err != nil {
			return dealt, err
		}
		for _, f := range flights {
			if err := writers[dealt.flights%partitions].add(f); err != nil {
				return dealt, err
			}
			record = appendRecord(record[:0], f)
			dealt.add(record)
		}
	}
	return dealt, nil
}

// count reads the partitions' files and sets Records and Disorder.
func (d *deck) count(flights int64) (written census, err error) {
	for i := range d.Records {
		d.Records[i] = (flights + partitions - 1 - int64(i)) / partitions
		if err := d.countPartition(i, &written); err != nil {
			return written, err
		}
	}
	return written, nil
}

func (d *deck) countPartition(i int, written *census) error {
	r, err := d.openPartition(i, 0)
	if err != nil {
		return err
	}
	highest := minute(0)
	for record, err := r.nextRecord(); ; record, err = r.nextRecord() {
		if err == io.EOF {
			return r.close()
		}
		if err != nil {
			return errors.Join(err, r.close())
		}
		written.add(record)
		f := readRecord(record)
		highest = max(highest, f.minute)
		d.Disorder = max(d.Disorder, (highest - f.minute).eventTime())
	}
}

// openPartition opens a partition for reading from an offset, a number of flights.
func (d *deck) openPartition(partition int, offset int64) (*partitionReader, error) {
	return openPartition(partitionPath(d.Dir, partition), d.Records[partition], offset)
}

// total is the number of flights.
func (d *deck) total() (n int64) {
	for _, records := range d.Records {
		n += records
	}
	return n
}
