package weir_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Set a value, write a snapshot while the program continues, and restore the snapshot into
// an empty backend.
func ExampleOpen() {
	ctx := context.Background()
	preset := must(weir.Open(ctx, "memory:"))
	path := must(os.MkdirTemp("", "weir"))
	defer os.RemoveAll(path)
	directory := must(snapshot.NewDirectory(path))

	backend, keyed, flights := declare(preset)
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	running := must(snapshot.Start(ctx, backend, directory, snapshot.Options{}))
	check(flights.Set(42)) // after the snapshot began: not in it
	handle := must(running.Wait())

	backend, keyed, flights = declare(preset) // a new, empty backend
	must(snapshot.Restore(ctx, backend, directory, []snapshot.Handle{handle}, snapshot.RestoreOptions{}))
	check(keyed.SetKey("JFK"))
	fmt.Println(flights.Get())
	// Output: 41 true <nil>
}

// declare opens a backend and declares its state: a number of flights for each airport.
func declare(preset *weir.Preset) (snapshot.Backend, *state.Keyed[string], state.ValueState[int64]) {
	backend := must(preset.Open(state.Options{}))
	keyed := must(state.NewKeyed(backend, codec.String[string]()))
	flights := must(state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()}))
	return backend, keyed, flights
}

// The query of the URL sets options. The error of an illegal value lists the legal ones.
func ExampleOpen_options() {
	preset := must(weir.Open(context.Background(), "memory:?index=btree&sync=true&max-state=1MiB"))
	fmt.Println(preset.Synchronous)
	_, err := weir.Open(context.Background(), "memory:?index=list")
	fmt.Println(err)
	// Output:
	// true
	// memory preset: illegal value of query key index: want hash or btree: unusable checkpoint URL
}

// A coordinator completes a checkpoint of a job with one subtask, and the next attempt of
// the job restores it. Package job does this for jobs with many subtasks.
func ExampleFs() {
	ctx := context.Background()
	path := must(os.MkdirTemp("", "weir"))
	defer os.RemoveAll(path)
	preset := must(weir.Fs(ctx, "file://"+filepath.ToSlash(path), weir.FsOptions{}))
	coordinator := must(checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "flights", Storage: preset.Storage}))
	operators := []checkpoint.Subtasks{{Operator: "count", Parallelism: 1}}

	first := &subtask{}
	first.attempt = must(coordinator.Begin(ctx, first, operators))
	backend, keyed, flights := declare(preset)
	first.backend = backend
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	stats := must(first.attempt.TriggerAndWait(ctx))
	fmt.Println("complete:", stats.ID)
	check(flights.Set(42)) // not in the checkpoint

	second := &subtask{}
	second.attempt = must(coordinator.Begin(ctx, second, operators))
	backend, keyed, flights = declare(preset)
	check(second.attempt.Restore(ctx, backend, "count"))
	check(keyed.SetKey("JFK"))
	fmt.Println(flights.Get())
	check(coordinator.Close())
	// Output:
	// complete: 1
	// 41 true <nil>
}

// subtask is a job with one subtask, as its coordinator sees it.
type subtask struct {
	attempt *checkpoint.Attempt
	backend snapshot.Backend
}

// Trigger takes the snapshot of the subtask. The coordinator calls it while TriggerAndWait
// waits, so nothing else uses the backend.
func (s *subtask) Trigger(t checkpoint.Trigger) {
	s.attempt.Upload(t.ID, "count", 0).Snapshot(s.backend, snapshot.Options{}, nil)
}

func (s *subtask) Complete(checkpoint.Stats)          {}
func (s *subtask) Aborted(_ checkpoint.ID, err error) { log.Fatal(err) }
func (s *subtask) Fail(err error)                     { log.Fatal(err) }

// State on local disk: the trees share 16 MiB of memory, and deep levels are smaller with
// Zstd.
func ExampleLSM() {
	path := must(os.MkdirTemp("", "weir"))
	defer os.RemoveAll(path)
	preset := must(weir.LSM(context.Background(), "file://"+filepath.ToSlash(path)+"/checkpoints", weir.LSMOptions{
		Dir:         filepath.Join(path, "state"),
		BudgetBytes: 16 << 20,
		Compression: []lsm.Compression{lsm.S2, lsm.Zstd},
	}))
	backend, keyed, flights := declare(preset)
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	fmt.Println(flights.Get())
	check(backend.Close())
	check(preset.Close())
	// Output: 41 true <nil>
}

// must returns v, and ends the program if there is an error.
func must[T any](v T, err error) T {
	check(err)
	return v
}

// check ends the program if there is an error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
