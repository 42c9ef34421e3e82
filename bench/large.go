package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// errState is returned when a key does not have the value that was written last.
var errState = errors.New("the state is not what was written")

const (
	// largeKeys is how many keys the large job has, unless -records says otherwise.
	largeKeys = 20_000_000
	// largeRounds is how often it writes each of them. All but the first read what
	// the one before wrote.
	largeRounds = 2
	// largeValueBytes is the size of a value.
	largeValueBytes = 100
	// largeBudget is the memory of all backends of a process together.
	largeBudget = "256MiB"
	// largeSample is how many records there are for each that the sink hears of.
	largeSample = 16
	// largeSum is the file with the result.
	largeSum = "sum.txt"
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

// newLargeGraph returns the large job:
//
//	updates  ──▶  values  ──▶  sum
//	       by key
//
// The operator values reads the value of the key, compares it with the one that was
// written last, and writes a value of 100 bytes. The job reads the dataset as far as
// the limit allows and writes largeSum into the directory.
func newLargeGraph(o job.Options, d deck, limit *gate, dir string) *job.Graph {
	graph := job.New(o)
	from := job.From(graph, "updates", &updates{d, limit}, job.SourceOptions{})
	values := job.Process(job.KeyBy(from, codec.Int[int64](), func(u update) int64 { return u.key }), "values", openValues)
	job.To(values, "sum", func(_ context.Context, restored []byte) (job.Sink[update], error) {
		return openSum(filepath.Join(dir, largeSum), restored)
	})
	return graph
}

// values is the operator of the large job.
type values struct {
	task  *job.Task[int64, update]
	value state.ValueState[[]byte]
	old   []byte // scratch
}

func openValues(task *job.Task[int64, update]) (func(job.Event[update]) error, error) {
	v := &values{task: task}
	var err error
	v.value, err = state.ValueOf(task.Keyed(), state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
	return v.process, err
}

func (v *values) process(e job.Event[update]) error {
	u := e.Value
	got, _, err := v.value.Get()
	if err != nil {
		return err
	}
	v.old = v.old[:0]
	if u.round > 0 {
		v.old = appendValue(v.old, update{u.key, u.round - 1})
	}
	if !bytes.Equal(got, v.old) {
		return fmt.Errorf("key %d before it is written for the %d. time: %w", u.key, u.round+1, errState)
	}
	next := appendValue(make([]byte, 0, largeValueBytes), u) // the state's from here on
	if err := v.value.Set(next); err != nil {
		return err
	}
	if mix(uint64(u.key))%largeSample != 0 {
		return nil
	}
	return v.task.Emit(job.Event[update]{Time: e.Time, Value: u})
}

// appendValue adds what an update writes: half of it zeros, as values compress.
func appendValue(dst []byte, u update) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(u.round))
	x := uint64(u.key)
	for len(dst) < largeValueBytes/2 {
		x = mix(x)
		dst = binary.BigEndian.AppendUint64(dst, x)
	}
	return append(dst, make([]byte, largeValueBytes-len(dst))...)
}

// sum is the sink of the large job. It implements job.Sink.
type sum struct {
	path       string
	count, sum uint64
}

// openSum begins where a checkpoint left off, or at nothing if restored is nil.
func openSum(path string, restored []byte) (*sum, error) {
	s := &sum{path: path}
	switch {
	case restored == nil:
	case len(restored) != 16:
		return nil, fmt.Errorf("%d bytes of a sum: %w", len(restored), errState)
	default:
		s.count, s.sum = binary.BigEndian.Uint64(restored), binary.BigEndian.Uint64(restored[8:])
	}
	return s, nil
}

// Write implements job.Sink.
func (s *sum) Write(e job.Event[update]) error {
	s.count++
	s.sum += mix(uint64(e.Value.key)<<1 + uint64(e.Value.round))
	return nil
}

// Snapshot implements job.Sink.
func (s *sum) Snapshot() (data []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.count), s.sum), nil, nil
}

// Close implements job.Sink.
func (s *sum) Close(finished bool) error {
	if !finished {
		return nil
	}
	return os.WriteFile(s.path, fmt.Appendf(nil, "sampled %d %016x\n", s.count, s.sum), 0o600)
}
