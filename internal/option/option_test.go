package option_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/window"
)

// The names under which packages export the error for an option out of range.
var exported = map[string]error{
	"checkpoint": checkpoint.ErrInvalidOption,
	"heapstate":  heapstate.ErrInvalidOption,
	"job":        job.ErrInvalidOption,
	"lsm":        lsm.ErrInvalidOption,
	"lsmstate":   lsmstate.ErrInvalidOption,
	"snapshot":   snapshot.ErrInvalidOption,
	"sstable":    sstable.ErrInvalidOption,
	"state":      state.ErrInvalidOption,
	"weir":       weir.ErrInvalidOption,
}

var ctx = context.Background()

// only returns an error without the value that came with it.
func only[T any](_ T, err error) error { return err }

func TestEveryOptionOutOfRangeIsErrInvalidOptionOfEveryPackage(t *testing.T) {
	for name, open := range options(t) {
		t.Run(name, func(t *testing.T) {
			err := open()
			for of, want := range exported {
				require.ErrorIs(t, err, want, of)
			}
			require.ErrorIs(t, err, state.ErrInvalid)
		})
	}
}

// options returns a function for each option of each package. The function sets the option
// to a value out of range and returns the error.
func options(t *testing.T) map[string]func() error {
	all := map[string]func() error{}
	for name, o := range backendOptions {
		all["heapstate.NewHash/"+name] = func() error { return only(heapstate.NewHash(o)) }
		all["heapstate.NewBTree/"+name] = func() error { return only(heapstate.NewBTree(o)) }
		all["lsmstate.Create/"+name] = func() error {
			return only(lsmstate.Create(t.TempDir(), lsmstate.Options{Options: o}))
		}
		all["weir.Memory/Open/"+name] = func() error {
			p, err := weir.Memory(weir.MemoryOptions{})
			require.NoError(t, err)
			return only(p.Open(o))
		}
		all["weir.LSM/Open/"+name] = func() error {
			p, err := weir.LSM(ctx, "file://"+t.TempDir(), weir.LSMOptions{Dir: t.TempDir()})
			require.NoError(t, err)
			defer func() { require.NoError(t, p.Close()) }()
			return only(p.Open(o))
		}
	}
	for name, o := range treeOptions {
		all["lsm.Open/"+name] = func() error {
			o.FS = vfstest.NewMem(vfstest.MemOptions{})
			return only(lsm.Open(ctx, "/store", o))
		}
	}
	for name, o := range coordinatorOptions {
		all["checkpoint.NewCoordinator/"+name] = func() error { return only(checkpoint.NewCoordinator(ctx, o)) }
	}
	for name, o := range jobOptions {
		all["job.Run/"+name] = func() error { return runJob(o, job.SourceOptions{}) }
	}
	all["job.From/Disorder"] = func() error { return runJob(job.Options{Name: "job"}, job.SourceOptions{Disorder: -1}) }
	for name, o := range windowOptions {
		all["window.List/"+name] = func() error { return declareWindow(t, o) }
	}
	for name, o := range snapshotOptions {
		all["snapshot.Start/"+name] = func() error { return startSnapshot(t, o) }
	}
	for name, open := range singleOptions {
		all[name] = func() error { return open(t) }
	}
	return all
}

var backendOptions = map[string]state.Options{
	"MaxKeySize below zero":   {Limits: state.Limits{MaxKeySize: -1}},
	"MaxKeySize above 2^31":   {Limits: state.Limits{MaxKeySize: 1<<31 + 1}},
	"MaxValueSize below zero": {Limits: state.Limits{MaxValueSize: -1}},
	"MaxValueSize above 2^31": {Limits: state.Limits{MaxValueSize: 1<<31 + 1}},
	"MaxParallelism":          {Keyspace: state.Keyspace{MaxParallelism: 1<<15 + 1}},
	"Groups reversed":         {Keyspace: state.Keyspace{MaxParallelism: 8, Groups: state.GroupRange{First: 3, Last: 2}}},
	"Groups beyond the last":  {Keyspace: state.Keyspace{MaxParallelism: 8, Groups: state.GroupRange{First: 3, Last: 8}}},
}

var treeOptions = map[string]lsm.Options{
	"Split without function": {Split: lsm.Split{Name: "split"}},
	"PartitionBytes":         {PartitionBytes: -1},
	"Log":                    {Log: lsm.LogSynced + 1},
	"BudgetBytes":            {BudgetBytes: -1},
	"MaxOpenFiles":           {MaxOpenFiles: -1},
	"MemtableBytes":          {MemtableBytes: -1},
	"BlockBytes":             {BlockBytes: 1},
	"FileBytes":              {FileBytes: -1},
	"Compression":            {Compression: []lsm.Compression{lsm.Zstd + 1}},
	"MaxKeySize":             {MaxKeySize: -1},
	"MaxValueSize":           {MaxValueSize: -1},
}

var coordinatorOptions = map[string]checkpoint.Options{
	"Job":               {Job: "a/b", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{})},
	"Storage":           {Job: "job"},
	"Interval":          {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Interval: -1},
	"MinPause":          {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), MinPause: -1},
	"Timeout":           {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Timeout: -1},
	"MaxConcurrent":     {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), MaxConcurrent: -1},
	"TolerableFailures": {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), TolerableFailures: -1},
	"Retain":            {Job: "job", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Retain: -1},
}

var jobOptions = map[string]job.Options{
	"Name":                             {Name: "../job"},
	"Parallelism":                      {Name: "job", Parallelism: -1},
	"MaxParallelism":                   {Name: "job", MaxParallelism: -1},
	"Parallelism above MaxParallelism": {Name: "job", Parallelism: 9, MaxParallelism: 8},
	"MaxRestarts":                      {Name: "job", MaxRestarts: -1},
	"RestartDelay":                     {Name: "job", RestartDelay: -1},
	"Checkpoints":                      {Name: "job", Checkpoints: checkpoint.Options{Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Interval: -1}},
}

type windowsOptions = window.Options[int64, int64, []int64]

var windowOptions = map[string]windowsOptions{
	"Assigner":      {Emit: emit},
	"Tumbling size": {Emit: emit, Assigner: window.Tumbling(0, 0)},
	"Sliding slide": {Emit: emit, Assigner: window.Sliding(10, 11, 0)},
	"overlap":       {Emit: emit, Assigner: window.Sliding(1<<21, 1, 0)},
	"Session gap":   {Emit: emit, Assigner: window.Session(0)},
	"Lateness":      {Emit: emit, Assigner: window.Tumbling(10, 0), Lateness: -1},
	"Emit":          {Assigner: window.Tumbling(10, 0)},
}

var snapshotOptions = map[string]snapshot.Options{
	"Name":        {Name: "a/b"},
	"Mode":        {Mode: snapshot.Incremental + 1},
	"Compression": {Compression: snapshot.None + 1},
}

// singleOptions are the other options that can be out of range.
var singleOptions = map[string]func(*testing.T) error{
	"lsmstate.Create/Compression": func(t *testing.T) error {
		return only(lsmstate.Create(t.TempDir(), lsmstate.Options{Compression: []lsm.Compression{lsm.Zstd + 1}}))
	},
	"sstable.NewWriter/Compression": func(t *testing.T) error {
		f, err := vfstest.NewMem(vfstest.MemOptions{}).Create("/table")
		require.NoError(t, err)
		defer f.Close()
		w := sstable.NewWriter(f, sstable.WriterOptions{Compression: sstable.Zstd + 1})
		defer w.Close()
		return only(w.Finish())
	},
	"checkpoint.OpenStorage/InlineBytes": func(t *testing.T) error {
		return only(checkpoint.OpenStorage(ctx, "file://"+t.TempDir(), checkpoint.StorageOptions{InlineBytes: 1 << 40}))
	},
	"weir.Memory/Index": func(*testing.T) error { return only(weir.Memory(weir.MemoryOptions{Index: weir.BTree + 1})) },
	"weir.Fs/Index": func(t *testing.T) error {
		return only(weir.Fs(ctx, "file://"+t.TempDir(), weir.FsOptions{Index: weir.BTree + 1}))
	},
	"weir.Fs/InlineBytes": func(t *testing.T) error {
		o := weir.FsOptions{Checkpoints: checkpoint.StorageOptions{InlineBytes: 1 << 40}}
		return only(weir.Fs(ctx, "file://"+t.TempDir(), o))
	},
	"weir.LSM/MaxOpenFiles": func(t *testing.T) error {
		return only(weir.LSM(ctx, "file://"+t.TempDir(), weir.LSMOptions{MaxOpenFiles: -1}))
	},
	"weir.LSM/Compression": func(t *testing.T) error {
		o := weir.LSMOptions{Compression: []lsm.Compression{lsm.Zstd + 1}}
		return only(weir.LSM(ctx, "file://"+t.TempDir(), o))
	},
	"weir.LSM/BudgetBytes": func(t *testing.T) error {
		return only(weir.LSM(ctx, "file://"+t.TempDir(), weir.LSMOptions{BudgetBytes: -1}))
	},
}

// runJob runs a job that has one source without elements.
func runJob(o job.Options, s job.SourceOptions) error {
	g := job.New(o)
	job.From(g, "numbers", noNumbers{}, s)
	return only(g.Run(ctx))
}

type noNumbers struct{}

func (noNumbers) Partitions() int { return 1 }

func (noNumbers) Open(context.Context, int, int64) (job.Reader[int64], error) {
	return noNumbers{}, nil
}

func (noNumbers) Read(context.Context, []job.Event[int64]) (int, error) { return 0, io.EOF }

func (noNumbers) Close() error { return nil }

func emit(window.Result[int64, []int64]) error { return nil }

// host runs windows without a job.
type host struct{ keyed *state.Keyed[int64] }

func (host) Context() context.Context { return ctx }

func (h host) Keyed() *state.Keyed[int64] { return h.keyed }

func (h host) Timers(name string, _ func(state.Timer[int64]) error) (*state.Timers[int64], error) {
	return state.TimersOf(h.keyed, name)
}

func (host) Watermark() int64 { return 0 }

func declareWindow(t *testing.T, o windowsOptions) error {
	b, err := heapstate.NewHash(state.Options{})
	require.NoError(t, err)
	defer b.Close()
	keyed, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	return only(window.List(host{keyed}, o, state.ListDescriptor[int64]{Name: "list", Codec: codec.Int[int64]()}))
}

func startSnapshot(t *testing.T, o snapshot.Options) error {
	b, err := heapstate.NewHash(state.Options{})
	require.NoError(t, err)
	defer b.Close()
	target, err := snapshot.NewDirectory(t.TempDir())
	require.NoError(t, err)
	return only(snapshot.Start(ctx, b, target, o))
}
