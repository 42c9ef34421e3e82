package main

import (
	"context"

	"github.com/weirstate/weir/job"
)

// source reads a deck as far as a gate allows. It implements job.Source.
type source struct {
	deck deck
	gate *gate
}

// Partitions implements job.Source.
func (s *source) Partitions() int { return partitions }

// Open implements job.Source.
func (s *source) Open(_ context.Context, partition int, offset int64) (job.Reader[flight], error) {
	r, err := s.deck.openPartition(partition, offset)
	if err != nil {
		return nil, err
	}
	s.gate.set(partition, offset)
	return &sourceReader{partition: partition, at: offset, gate: s.gate, partitionReader: r}, nil
}

// sourceReader implements job.Reader.
type sourceReader struct {
	*partitionReader
	partition int
	at        int64
	gate      *gate
}

// Read implements job.Reader.
func (r *sourceReader) Read(ctx context.Context, dst []job.Event[flight]) (n int, err error) {
	allowed := r.gate.pass(ctx, r.partition, r.at, int64(len(dst)))
	for ; n < int(allowed) && err == nil; n++ {
		var f flight
		if f, err = r.next(); err != nil {
			break
		}
		dst[n] = job.Event[flight]{Time: f.minute.eventTime(), Value: f}
	}
	r.at += int64(n)
	r.gate.set(r.partition, r.at)
	return n, err
}

// Close implements job.Reader.
func (r *sourceReader) Close() error { return r.close() }
