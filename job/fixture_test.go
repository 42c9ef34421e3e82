package job

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

var errBroken = errors.New("broken on purpose")

func hash(o state.Options) (snapshot.Backend, error)  { return heapstate.NewHash(o) }
func btree(o state.Options) (snapshot.Backend, error) { return heapstate.NewBTree(o) }

// tape is a source in memory.
type tape struct {
	partitions [][]Event[int64]
	batch      int // elements per Read; 0 fills the buffer
	// before is called by each Read. It may return an error, or hold the partition back.
	before func(partition int, offset int64) (hold bool, err error)
}

func (s *tape) Partitions() int { return len(s.partitions) }

func (s *tape) Open(_ context.Context, partition int, offset int64) (Reader[int64], error) {
	if offset > int64(len(s.partitions[partition])) {
		return nil, fmt.Errorf("partition %d ends before %d", partition, offset)
	}
	return &tapeReader{s, partition, offset}, nil
}

type tapeReader struct {
	tape      *tape
	partition int
	at        int64
}

func (r *tapeReader) Read(_ context.Context, dst []Event[int64]) (int, error) {
	if r.tape.before != nil {
		if hold, err := r.tape.before(r.partition, r.at); hold || err != nil {
			return 0, err
		}
	}
	if r.tape.batch > 0 {
		dst = dst[:min(r.tape.batch, len(dst))]
	}
	n := copy(dst, r.tape.partitions[r.partition][r.at:])
	if r.at += int64(n); r.at == int64(len(r.tape.partitions[r.partition])) {
		return n, io.EOF
	}
	return n, nil
}

func (r *tapeReader) Close() error { return nil }

// numbers deals the numbers 0 to n-1 to partitions in turn. The event time of a number is the
// number.
func numbers(n, partitions int) *tape {
	s := &tape{partitions: make([][]Event[int64], partitions)}
	for i := range n {
		p := i % partitions
		s.partitions[p] = append(s.partitions[p], Event[int64]{int64(i), int64(i)})
	}
	return s
}

// paper holds the elements that sinks wrote. It outlives the sinks of one attempt, as a file
// does.
type paper[T any] struct {
	mu       sync.Mutex
	lines    []Event[T]
	durable  int  // number of lines that a sync has made durable
	syncing  int  // number of running syncs
	finished bool // argument of the last Close
	opens    [][]byte
	write    func(Event[T]) error
	sync     func() error
}

// open is a function for AddSink. It removes the lines after the restored position.
func (p *paper[T]) open(_ context.Context, restored []byte) (Sink[T], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	if restored != nil {
		n = int(binary.BigEndian.Uint64(restored))
	}
	if p.syncing > 0 {
		return nil, fmt.Errorf("%d syncs of an earlier sink are running", p.syncing)
	}
	if n > p.durable {
		return nil, fmt.Errorf("%d lines are durable, but the checkpoint has %d", p.durable, n)
	}
	p.opens = append(p.opens, restored)
	p.lines, p.durable = p.lines[:n], n
	return &pen[T]{p}, nil
}

// pen is a sink that writes on a paper.
type pen[T any] struct{ paper *paper[T] }

func (s *pen[T]) Write(e Event[T]) error {
	p := s.paper
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.write != nil {
		if err := p.write(e); err != nil {
			return err
		}
	}
	p.lines = append(p.lines, e)
	return nil
}

func (s *pen[T]) Snapshot() ([]byte, func() error, error) {
	p := s.paper
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.lines)
	return binary.BigEndian.AppendUint64(nil, uint64(n)), func() error {
		p.addSyncing(1)
		defer p.addSyncing(-1)
		if p.sync != nil {
			if err := p.sync(); err != nil {
				return err
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.durable = max(p.durable, n)
		return nil
	}, nil
}

// addSyncing adds n to the number of running syncs.
func (p *paper[T]) addSyncing(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.syncing += n
}

func (s *pen[T]) Close(finished bool) error {
	s.paper.mu.Lock()
	defer s.paper.mu.Unlock()
	s.paper.finished = finished
	return nil
}

// written returns a copy of the lines.
func (p *paper[T]) written() []Event[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Event[T]{}, p.lines...)
}

// count is the output of counting: the element was the n-th with its key.
type count struct{ key, n int64 }

// counting returns an operator that counts the elements of each key. It calls before with
// each element, unless before is nil.
func counting(before func(Event[int64]) error, key func(int64) int64) func(*Task[int64, count]) (func(Event[int64]) error, error) {
	return func(t *Task[int64, count]) (func(Event[int64]) error, error) {
		counts, err := state.ValueOf(t.Keyed(), state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
		if err != nil {
			return nil, err
		}
		return func(e Event[int64]) error {
			if before != nil {
				if err := before(e); err != nil {
					return err
				}
			}
			n, _, err := counts.Get()
			if err != nil {
				return err
			}
			if err := counts.Set(n + 1); err != nil {
				return err
			}
			return t.Emit(Event[count]{e.Time, count{key(e.Value), n + 1}})
		}, nil
	}
}

const keys = 97

func keyOf(v int64) int64 { return v % keys }

// countJob returns a graph that counts the numbers of s by key.
func countJob(o Options, s Source[int64], out *paper[count], before func(Event[int64]) error) *Graph {
	g := New(o)
	in := From(g, "numbers", s, SourceOptions{})
	counts := Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(before, keyOf))
	AddSink(counts, "paper", out.open)
	return g
}

// requireCounts requires that each of n numbers was counted once: the counts of each key are
// 1, 2, 3 and so on, in this order.
func requireCounts(t *testing.T, n int, out *paper[count]) {
	t.Helper()
	last := map[int64]int64{}
	for _, e := range out.written() {
		require.Equal(t, last[e.Value.key]+1, e.Value.n, "key %d", e.Value.key)
		last[e.Value.key]++
	}
	for key := range int64(keys) {
		require.EqualValues(t, (n-int(key)+keys-1)/keys, last[key], "key %d", key)
	}
	require.True(t, out.finished)
}

// memory returns options of a job with a checkpoint in memory every millisecond.
func memory(name string) Options {
	return Options{
		Name: name, Open: hash,
		Checkpoints: checkpoint.Options{Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Interval: time.Millisecond},
	}
}
