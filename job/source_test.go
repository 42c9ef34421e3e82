package job

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/state/codec"
)

// gapped is a log whose element numbers have gaps: element i of a partition has number
// 10 i + i² + 3. A position is a text with the number of the next element.
type gapped struct {
	*tape
	mu     sync.Mutex
	opened map[int][]string // by partition: the positions of all calls of Open
	locate func(position []byte) ([]byte, error)
}

func numberOf(i int64) int64 { return 10*i + i*i + 3 }

func (s *gapped) Open(ctx context.Context, partition int, position []byte) (PositionReader[int64], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = make(map[int][]string)
	}
	text := "nil"
	if position != nil {
		text = string(position)
	}
	s.opened[partition] = append(s.opened[partition], text)
	at := int64(0)
	if position != nil {
		number := int64(0)
		if _, err := fmt.Sscanf(text, "number %d", &number); err != nil {
			return nil, err
		}
		for numberOf(at) < number {
			at++
		}
	}
	return &gappedReader{s, tapeReader{s.tape, partition, at}}, nil
}

type gappedReader struct {
	log *gapped
	tapeReader
}

func (r *gappedReader) Position() ([]byte, error) {
	position := fmt.Appendf(nil, "number %d", numberOf(r.at))
	if r.log.locate != nil {
		return r.log.locate(position)
	}
	return position, nil
}

// gappedJob returns the graph of countJob on a log with gaps.
func gappedJob(o Options, s *gapped, out *paper[count]) *Graph {
	g := New(o)
	in := FromPositions[int64](g, "numbers", s, SourceOptions{})
	AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf)), "paper", out.open)
	return g
}

func TestPositionSourceIsReadOnceThroughFailures(t *testing.T) {
	const n, failures = 20_000, 4
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 7))
		log, out := &gapped{tape: numbers(n, 1+random.IntN(4))}, &paper[count]{}
		log.batch = 1 + random.IntN(2*batchEvents)
		s := &saboteur{random: random, places: []string{"source"}}
		for i := range int64(failures) {
			share := int64(len(log.partitions[0]) / (failures + 1))
			s.limits = append(s.limits, i*share+random.Int64N(share))
		}
		log.before = s.before
		o := memory("gaps")
		o.Parallelism, o.MaxRestarts, o.OnCheckpoint = 1+random.IntN(3), failures, s.ended
		report, err := gappedJob(o, log, out).Run(t.Context())
		require.NoError(t, err)
		requireCounts(t, n, out)
		require.NotZero(t, report.Restores[failures].Offset)
		for partition := range log.partitions {
			require.Equal(t, "nil", log.opened[partition][0])
			require.NotContains(t, log.opened[partition][1:], "nil", "attempts that restored a checkpoint")
		}
	}
}

// stopAfter runs a job until a checkpoint with a number of records is complete, and fails it.
// It ignores the first checkpoint that completes after the records were read, since it may have
// begun earlier.
func stopAfter(t *testing.T, o Options, build func(Options) *Graph, records int64) {
	t.Helper()
	var running *Running
	started, read := make(chan struct{}), false
	o.OnCheckpoint = func(r CheckpointReport) {
		<-started
		if r.Err != nil || running.Records() != records {
			return
		}
		if read {
			running.Fail(errBroken)
		}
		read = true
	}
	var err error
	running, err = build(o).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.ErrorIs(t, err, errBroken)
}

// A connection that breaks off is no end of the input: the job would finish without its rest.
func TestWrappedEOFOfAReaderFailsTheJob(t *testing.T) {
	o, source, out := memory("broken-off"), numbers(1_000, 2), &paper[count]{}
	o.Parallelism, o.MaxRestarts = 1, 1
	brokenOff := fmt.Errorf("read tcp: %w", io.EOF)
	source.before = func(int, int64) (bool, error) { return false, brokenOff }
	_, err := countJob(o, source, out, nil).Run(t.Context())
	require.ErrorIs(t, err, brokenOff)
	require.False(t, out.finished)
}

// Checkpoints after the restore keep the end of the partition, too.
func TestEndedPartitionIsNotOpenedAgain(t *testing.T) {
	o, out := memory("over"), &paper[count]{}
	log := &gapped{tape: numbers(3_000, 2)}
	var limit atomic.Int64
	log.before = func(partition int, offset int64) (bool, error) {
		return partition == 0 && offset >= limit.Load(), nil
	}
	log.batch = 100
	for i := range int64(3) {
		limit.Store(100 + 100*i)
		o.Parallelism = 1 + int(i)
		stopAfter(t, o, func(o Options) *Graph { return gappedJob(o, log, out) }, []int64{1_600, 100, 100}[i])
	}
	limit.Store(3_000)
	report, err := gappedJob(o, log, out).Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1_800, report.Restores[0].Offset)
	requireCounts(t, 3_000, out)
	require.Equal(t, []string{"nil"}, log.opened[1])
	require.Equal(t, []string{"nil", fmt.Sprint("number ", numberOf(100)), fmt.Sprint("number ", numberOf(200)), fmt.Sprint("number ", numberOf(300))}, log.opened[0])
}

// All partitions of the source return their positions in one buffer.
func TestPositionsAreCopied(t *testing.T) {
	const n, partitions = 3_000, 3
	o, out := memory("buffers"), &paper[count]{}
	log := &gapped{tape: numbers(n, partitions)}
	buffer := make([]byte, 0, 100)
	log.locate = func(position []byte) ([]byte, error) { // one subtask calls it
		buffer = append(buffer[:0], position...)
		return buffer, nil
	}
	log.batch = 100
	log.before = func(partition int, offset int64) (bool, error) { return offset >= int64(300+100*partition), nil }
	stopAfter(t, o, func(o Options) *Graph { return gappedJob(o, log, out) }, 300+400+500)
	log.before = nil
	_, err := gappedJob(o, log, out).Run(t.Context())
	require.NoError(t, err)
	requireCounts(t, n, out)
}

func TestPositionHasALimit(t *testing.T) {
	for size, want := range map[int]error{MaxPositionBytes: nil, MaxPositionBytes + 1: ErrPosition} {
		o, out := memory("positions"), &paper[count]{}
		log := &gapped{tape: numbers(1_000, 1)}
		var completed atomic.Int64
		log.before = func(int, int64) (bool, error) { return completed.Load() == 0, nil }
		log.locate = func([]byte) ([]byte, error) { return make([]byte, size), nil }
		o.OnCheckpoint = func(r CheckpointReport) {
			if r.Err == nil {
				completed.Add(1)
			}
		}
		_, err := gappedJob(o, log, out).Run(t.Context())
		require.ErrorIs(t, err, want)
		goleak.VerifyNone(t)
	}
	o := memory("positions")
	log := &gapped{tape: numbers(1_000, 1), locate: func([]byte) ([]byte, error) { return nil, errBroken }}
	_, err := gappedJob(o, log, &paper[count]{}).Run(t.Context())
	require.ErrorIs(t, err, errBroken)
}

func TestPositionsInTheOtherFormatEndTheJob(t *testing.T) {
	for _, own := range []bool{false, true} {
		o, out := memory("kinds"), &paper[count]{}
		source := numbers(4_000, 2)
		source.before = func(_ int, offset int64) (bool, error) { return offset >= 500, nil }
		build := func(o Options, own bool) *Graph {
			if own {
				return gappedJob(o, &gapped{tape: source}, out)
			}
			return countJob(o, source, out, nil)
		}
		stopAfter(t, o, func(o Options) *Graph { return build(o, own) }, 2*batchEvents)
		source.before = nil
		o.MaxRestarts = 3
		_, err := build(o, !own).Run(t.Context())
		require.ErrorIs(t, err, ErrKind)
		require.ErrorContains(t, err, "after 0 restarts")
	}
}

// testdata/v1 is a checkpoint of an earlier version, with positions of countsKind and without
// watermarks: 1,024 elements of one partition, counted by key.
func TestCheckpointOfTheFirstFormatIsRestored(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	storage, err := checkpoint.OpenStorage(t.Context(), "file://"+dir, checkpoint.StorageOptions{})
	require.NoError(t, err)
	source, out := numbers(3_000, 1), &paper[count]{}
	out.durable = 1_024
	for i := range int64(out.durable) {
		out.lines = append(out.lines, Event[count]{i, count{keyOf(i), i/keys + 1}})
	}
	o := Options{Name: "counted", Open: hash, Checkpoints: checkpoint.Options{Storage: storage}, Parallelism: 2}
	report, err := countJob(o, source, out, nil).Run(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Restores[0].Checkpoint)
	require.EqualValues(t, 1_024, report.Restores[0].Offset)
	require.EqualValues(t, 3_000-1_024, report.Records)
	requireCounts(t, 3_000, out)
}
