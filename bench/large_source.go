package main

import (
	"context"
	"io"

	"github.com/weirstate/weir/job"
)

// largeDeck is the input of the large job, which is made while it is read: the keys in
// an order that is not theirs, in each round the same.
func largeDeck(records int64) (d deck) {
	d.Keys = max(records/largeRounds/partitions, 1) * partitions
	for i := range d.Records {
		d.Records[i] = d.Keys * largeRounds / partitions
	}
	return d
}

// update is a record of the large job: a key is written, for the round-th time.
type update struct{ key, round int64 }

// update is the i-th record of a partition. A key is always in the same one, since
// their number can be divided by that of partitions.
func updateAt(d *deck, partition int, i int64) update {
	n := i*partitions + int64(partition)
	return update{key: int64(mix(uint64(n % d.Keys))), round: n / d.Keys}
}

// mix is the finalizer of splitmix64, a bijection (Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// updates reads the input of the large job as far as a gate allows. It implements
// job.Source.
type updates struct {
	deck deck
	gate *gate
}

// Partitions implements job.Source.
func (u *updates) Partitions() int { return partitions }

// Open implements job.Source.
func (u *updates) Open(_ context.Context, partition int, offset int64) (job.Reader[update], error) {
	u.gate.set(partition, offset)
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
	if r.at == r.deck.Records[r.partition] {
		return 0, io.EOF
	}
	left := min(int64(len(dst)), r.deck.Records[r.partition]-r.at)
	allowed := int(r.gate.pass(ctx, r.partition, r.at, left))
	for ; n < allowed; n++ {
		dst[n] = job.Event[update]{Time: r.at, Value: updateAt(&r.deck, r.partition, r.at)}
		r.at++
	}
	r.gate.set(r.partition, r.at)
	return n, nil
}

// Close implements job.Reader.
func (r *updateReader) Close() error { return nil }
