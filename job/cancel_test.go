package job

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/window"
)

var errEnough = errors.New("enough")

// endings are the two ways to end a job from outside.
var endings = map[string]func(*stoppable){
	"cancel": func(s *stoppable) { s.cancel(errEnough) },
	"fail":   func(s *stoppable) { s.running.Fail(errEnough) },
}

// stoppable is a job that one of its own functions ends.
type stoppable struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running *Running
	started chan struct{}
	end     func(*stoppable)
	after   atomic.Int64 // calls of the function after the end
	ended   atomic.Bool
}

// called counts a call of a function of the job. The n-th call ends the job.
func (s *stoppable) called(n int64) {
	<-s.started
	switch calls := s.after.Add(1); {
	case s.ended.Load():
	case calls == n:
		s.end(s)
		s.ended.Store(true)
		s.after.Store(0)
	}
}

// run runs g and requires that the function of the job ended it.
func (s *stoppable) run(t *testing.T, g *Graph) {
	t.Helper()
	var err error
	s.running, err = g.Start(s.ctx)
	require.NoError(t, err)
	close(s.started)
	_, err = s.running.Wait()
	require.ErrorIs(t, err, errEnough)
	require.True(t, s.ended.Load(), "the job ended before the n-th call")
	goleak.VerifyNone(t)
}

// forEachEnding runs a test for each way to end a job.
func forEachEnding(t *testing.T, run func(*testing.T, *stoppable)) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			s := &stoppable{started: make(chan struct{}), end: end}
			s.ctx, s.cancel = context.WithCancelCause(t.Context())
			defer s.cancel(nil)
			run(t, s)
		})
	}
}

// Each timer registers the next one for a time that is due already.
func TestEndlessTimersEndWithTheJob(t *testing.T) {
	for _, domain := range []state.Domain{state.EventTime, state.ProcessingTime} {
		for _, services := range []int{1, 2} {
			forEachEnding(t, func(t *testing.T, s *stoppable) {
				source := numbers(1, 1)
				source.before = func(_ int, offset int64) (bool, error) {
					return domain == state.ProcessingTime && offset > 0, nil
				}
				g := New(Options{Name: "timers", Open: hash})
				in := From(g, "numbers", source, SourceOptions{})
				Process(KeyBy(in, codec.Int[int64](), keyOf), "timers", func(task *Task[int64, int64]) (func(Event[int64]) error, error) {
					all := make([]*state.Timers[int64], services)
					for i, name := range []string{"first", "second"}[:services] {
						var err error
						all[i], err = task.Timers(name, func(timer state.Timer[int64]) error {
							s.called(100)
							return all[(i+1)%services].Register(domain, timer.Timestamp+1, nil)
						})
						if err != nil {
							return nil, err
						}
					}
					return func(Event[int64]) error { return all[0].Register(domain, 1, nil) }, nil
				})
				if domain == state.ProcessingTime {
					source.partitions[0] = append(source.partitions[0], Event[int64]{1, 1}) // the source waits before this element
				}
				source.batch = 1
				s.run(t, g)
				require.Zero(t, s.after.Load(), "no timer fires after the end of the context")
			})
		}
	}
}

func TestNoElementOfABatchIsProcessedAfterTheEndOfTheContext(t *testing.T) {
	for name, build := range map[string]func(*stoppable, *Graph, Stream[int64]){
		"operator": func(s *stoppable, _ *Graph, in Stream[int64]) {
			Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(func(Event[int64]) error {
				s.called(7)
				return nil
			}, keyOf))
		},
		"source": func(s *stoppable, g *Graph, in Stream[int64]) { // the source encodes the key of each element
			Process(KeyBy(in, countedKey{codec.Int[int64](), s}, keyOf), "counts", counting(nil, keyOf))
		},
		"sink": func(s *stoppable, _ *Graph, in Stream[int64]) {
			out := &paper[int64]{write: func(Event[int64]) error { s.called(7); return nil }}
			AddSink(in, "paper", out.open)
		},
	} {
		t.Run(name, func(t *testing.T) {
			forEachEnding(t, func(t *testing.T, s *stoppable) {
				o := Options{Name: "batch", Open: hash}
				if name == "source" {
					o.Parallelism = 2
				}
				g := New(o)
				build(s, g, From(g, "numbers", numbers(batchEvents, 1), SourceOptions{}))
				s.run(t, g)
				// Each of two operator subtasks may be processing an element.
				require.LessOrEqual(t, s.after.Load(), int64(o.Parallelism), "elements processed after the end of the context")
			})
		})
	}
}

// countedKey is a codec that calls stoppable.called for each key that it encodes.
type countedKey struct {
	codec.Codec[int64]
	s *stoppable
}

func (c countedKey) Append(dst []byte, key int64) ([]byte, error) {
	c.s.called(7)
	return c.Codec.Append(dst, key)
}

// An operator emits elements without end for one element.
func TestEmitEndsWithTheJob(t *testing.T) {
	forEachEnding(t, func(t *testing.T, s *stoppable) {
		g := New(Options{Name: "emit", Open: hash})
		in := From(g, "numbers", numbers(1, 1), SourceOptions{})
		Process(KeyBy(in, codec.Int[int64](), keyOf), "endless", func(task *Task[int64, int64]) (func(Event[int64]) error, error) {
			return func(e Event[int64]) error {
				for {
					s.called(7)
					if err := task.Emit(e); err != nil {
						return err
					}
					if s.after.Load() > 1000 {
						return nil // the test has failed
					}
				}
			}, nil
		})
		s.run(t, g)
		require.LessOrEqual(t, s.after.Load(), int64(emitsPerCheck))
	})
}

// waiting blocks one function of the job until the context ends that the function got, and
// ends the job from another goroutine.
type waiting struct {
	s    *stoppable
	once atomic.Bool
}

// wait blocks the first call; further calls return at once.
func (w *waiting) wait(ctx context.Context) error {
	if w.once.Swap(true) {
		return nil
	}
	go w.s.called(1)
	<-ctx.Done()
	return context.Cause(ctx)
}

// patient is a source with its reader, and a sink. A test can make each of their functions
// wait.
type patient struct {
	tape                                    *tape
	open, read, sinkOpen, write, snap, sync func(context.Context) error
	ctx                                     context.Context
}

func call(f func(context.Context) error, ctx context.Context) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (p *patient) Partitions() int { return 1 }

func (p *patient) Open(ctx context.Context, partition int, offset int64) (Reader[int64], error) {
	r, err := p.tape.Open(ctx, partition, offset)
	return patientReader{p, r}, errors.Join(call(p.open, ctx), err)
}

type patientReader struct {
	p *patient
	Reader[int64]
}

func (r patientReader) Read(ctx context.Context, dst []Event[int64]) (int, error) {
	if err := call(r.p.read, ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(ctx, dst)
}

func (p *patient) sink(ctx context.Context, _ []byte) (Sink[int64], error) {
	p.ctx = ctx
	return p, call(p.sinkOpen, ctx)
}

func (p *patient) Write(Event[int64]) error { return call(p.write, p.ctx) }
func (p *patient) Close(bool) error         { return nil }

func (p *patient) Snapshot() ([]byte, func() error, error) {
	return nil, func() error { return call(p.sync, p.ctx) }, call(p.snap, p.ctx)
}

// slowObjects calls create before it creates an object whose name contains part.
type slowObjects struct {
	checkpoint.Objects
	part   string
	create func(context.Context) error
}

func (o slowObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	if o.part != "" && strings.Contains(name, o.part) {
		if err := o.create(ctx); err != nil {
			return nil, err
		}
	}
	return o.Objects.Create(ctx, name)
}

// Every function of the program can get the context of the attempt, so that it can return
// when the job ends.
func TestFunctionsThatWaitEndWithTheJob(t *testing.T) {
	type parts struct {
		patient
		task    func(*Task[int64, int64]) error
		element func(*Task[int64, int64]) error
		timer   func(*Task[int64, int64]) error
		add     func(*Task[int64, int64]) error
		emit    func(*Task[int64, int64]) error
		object  string // part of the name of the object whose creation waits
		sync    bool
	}
	ofTask := func(w *waiting) func(*Task[int64, int64]) error {
		return func(task *Task[int64, int64]) error { return w.wait(task.Context()) }
	}
	for name, prepare := range map[string]func(*parts, *waiting){
		"source open":          func(p *parts, w *waiting) { p.patient.open = w.wait },
		"source read":          func(p *parts, w *waiting) { p.patient.read = w.wait },
		"operator open":        func(p *parts, w *waiting) { p.task = ofTask(w) },
		"element":              func(p *parts, w *waiting) { p.element = ofTask(w) },
		"timer":                func(p *parts, w *waiting) { p.timer = ofTask(w) },
		"aggregate":            func(p *parts, w *waiting) { p.add = ofTask(w) },
		"window":               func(p *parts, w *waiting) { p.emit = ofTask(w) },
		"sink open":            func(p *parts, w *waiting) { p.patient.sinkOpen = w.wait },
		"sink write":           func(p *parts, w *waiting) { p.patient.write = w.wait },
		"sink snapshot":        func(p *parts, w *waiting) { p.patient.snap = w.wait },
		"sink sync":            func(p *parts, w *waiting) { p.patient.sync = w.wait },
		"snapshot":             func(p *parts, w *waiting) { p.object = "-windows-0" },
		"synchronous snapshot": func(p *parts, w *waiting) { p.object, p.sync = "-windows-0", true },
		"metadata":             func(p *parts, w *waiting) { p.object = "_metadata" },
		"entry":                func(p *parts, w *waiting) { p.object = "/completed/" },
	} {
		t.Run(name, func(t *testing.T) {
			forEachEnding(t, func(t *testing.T, s *stoppable) {
				w := &waiting{s: s}
				p := &parts{patient: patient{tape: numbers(2, 1)}}
				p.tape.batch = 1
				prepare(p, w)
				inCheckpoint := p.object != "" || p.patient.snap != nil || p.patient.sync != nil
				p.tape.before = func(_ int, offset int64) (bool, error) { return offset > 0 && inCheckpoint, nil }
				o := Options{Name: "patient", Open: hash}
				o.Snapshot.Synchronous = p.sync
				files, err := checkpoint.FilesOn(vfstest.NewMem(vfstest.MemOptions{}), "checkpoints")
				require.NoError(t, err)
				o.Checkpoints.Storage, err = checkpoint.NewStorage(slowObjects{files, p.object, w.wait}, checkpoint.StorageOptions{InlineBytes: -1})
				require.NoError(t, err)
				o.Checkpoints.Interval, o.Checkpoints.Timeout, o.Checkpoints.TolerableFailures = time.Millisecond, 100*time.Millisecond, math.MaxInt
				g := New(o)
				in := From[int64](g, "numbers", p, SourceOptions{})
				out := Process(KeyBy(in, codec.Int[int64](), keyOf), "windows", func(task *Task[int64, int64]) (func(Event[int64]) error, error) {
					do := func(f func(*Task[int64, int64]) error) error {
						if f == nil {
							return nil
						}
						return f(task)
					}
					timers, err := task.Timers("timers", func(state.Timer[int64]) error { return do(p.timer) })
					if err != nil {
						return nil, err
					}
					windows, err := window.Aggregate(task, window.Options[int64, int64, int64]{
						Assigner: window.Tumbling(1, 0),
						Emit:     func(window.Result[int64, int64]) error { return do(p.emit) },
					}, state.AggregatingDescriptor[int64, int64, int64]{
						Name: "sum", Codec: codec.Int[int64](), Create: func() int64 { return 0 },
						Add:    func(sum, v int64) (int64, error) { return sum + v, do(p.add) },
						Merge:  func(a, b int64) (int64, error) { return a + b, nil },
						Result: func(sum int64) (int64, error) { return sum, nil },
					})
					if err != nil {
						return nil, err
					}
					return func(e Event[int64]) error {
						return errors.Join(do(p.element), timers.Register(state.EventTime, e.Time, nil), windows.Add(e.Time, e.Value), task.Emit(e))
					}, do(p.task)
				})
				AddSink(out, "patient", p.sink)
				s.run(t, g)
			})
		})
	}
}
