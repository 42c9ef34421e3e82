package largejob

import (
	"context"
	"io"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
)

// NewDataset returns a dataset of approximately the given number of records: it is rounded down
// so that each partition has the same number of keys. The source generates the records while
// they are read. Each round has the same permutation of the keys.
func NewDataset(records int64) (d dataset.Dataset) {
	d.Keys = max(records/Rounds/dataset.Partitions, 1) * dataset.Partitions
	for i := range d.Records {
		d.Records[i] = d.Keys * Rounds / dataset.Partitions
	}
	return d
}

// update is a record: write the value of a round, counted from 0, to a key.
type update struct{ key, round int64 }

// updateAt returns record i of a partition. All records of a key are in the same partition,
// because the number of keys is a multiple of the number of partitions.
func updateAt(d *dataset.Dataset, partition int, i int64) update {
	n := i*dataset.Partitions + int64(partition)
	return update{key: int64(mix(uint64(n % d.Keys))), round: n / d.Keys}
}

// mix is the finalizer of splitmix64, a bijection on 64 bits (Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// updates is a source that generates the records as far as the read limit allows. It implements
// job.Source.
type updates struct {
	dataset dataset.Dataset
	limit   *dataset.ReadLimit
}

// Partitions implements job.Source.
func (u *updates) Partitions() int { return dataset.Partitions }

// Open implements job.Source.
func (u *updates) Open(_ context.Context, partition int, offset int64) (job.Reader[update], error) {
	u.limit.SetPosition(partition, offset)
	return &updateReader{u, partition, offset}, nil
}

// updateReader implements job.Reader.
type updateReader struct {
	*updates
	partition int
	at        int64
}

// Read implements job.Reader.
func (r *updateReader) Read(ctx context.Context, dst []job.Event[update]) (n int, err error) {
	if r.at == r.dataset.Records[r.partition] {
		return 0, io.EOF
	}
	left := min(int64(len(dst)), r.dataset.Records[r.partition]-r.at)
	allowed := int(r.limit.Wait(ctx, r.partition, r.at, left))
	for ; n < allowed; n++ {
		dst[n] = job.Event[update]{Time: r.at, Value: updateAt(&r.dataset, r.partition, r.at)}
		r.at++
	}
	r.limit.SetPosition(r.partition, r.at)
	return n, nil
}

// Close implements job.Reader.
func (r *updateReader) Close() error { return nil }
