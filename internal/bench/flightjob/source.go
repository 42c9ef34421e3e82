package flightjob

import (
	"context"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
)

// source reads the flights of a dataset as far as the read limit allows. It implements
// job.Source.
type source struct {
	dataset dataset.Dataset
	limit   *dataset.ReadLimit
}

// Partitions implements job.Source.
func (s *source) Partitions() int { return dataset.Partitions }

// Open implements job.Source.
func (s *source) Open(_ context.Context, partition int, offset int64) (job.Reader[dataset.Flight], error) {
	r, err := s.dataset.OpenPartition(partition, offset)
	if err != nil {
		return nil, err
	}
	s.limit.SetPosition(partition, offset)
	return &sourceReader{partition: partition, at: offset, limit: s.limit, PartitionReader: r}, nil
}

// sourceReader implements job.Reader.
type sourceReader struct {
	*dataset.PartitionReader
	partition int
	at        int64
	limit     *dataset.ReadLimit
}

// Read implements job.Reader.
func (r *sourceReader) Read(ctx context.Context, dst []job.Event[dataset.Flight]) (n int, err error) {
	allowed := r.limit.Wait(ctx, r.partition, r.at, int64(len(dst)))
	for ; n < int(allowed) && err == nil; n++ {
		var f dataset.Flight
		if f, err = r.Next(); err != nil {
			break
		}
		dst[n] = job.Event[dataset.Flight]{Time: f.Minute.EventTime(), Value: f}
	}
	r.at += int64(n)
	r.limit.SetPosition(r.partition, r.at)
	return n, err
}
