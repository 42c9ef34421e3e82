package weir_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// A preset from its options, with a state on one of its backends.
func ExampleMemory() {
	preset, err := weir.Memory(weir.MemoryOptions{Index: weir.BTree})
	check(err)
	backend, err := preset.Open(state.Options{})
	check(err)
	defer backend.Close()
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
	check(err)

	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	fmt.Println(flights.Get())
	// Output: 41 true <nil>
}

// A preset from a URL.
func ExampleOpen() {
	preset, err := weir.Open(context.Background(), "memory:?index=btree&sync=true&max-state=1MiB")
	check(err)
	fmt.Println(preset.Synchronous)
	_, err = weir.Open(context.Background(), "memory:?index=list")
	fmt.Println(err)
	// Output:
	// true
	// memory preset: index is not hash or btree: unusable checkpoint URL
}

// A job of one subtask: its checkpoint is complete, and restored by its next
// attempt. Package job does this for many subtasks.
func ExampleFs() {
	dir, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(dir)
	ctx := context.Background()
	preset, err := weir.Fs(ctx, "file://"+filepath.ToSlash(dir), weir.FsOptions{})
	check(err)
	coordinator, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "flights", Storage: preset.Storage})
	check(err)
	defer coordinator.Close()
	complete := make(tasks)
	operators := []checkpoint.Subtasks{{Operator: "count", Parallelism: 1}}

	attempt, err := coordinator.Begin(ctx, complete, operators)
	check(err)
	backend, keyed, flights := open(preset)
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	id, err := attempt.Trigger()
	check(err)
	upload := attempt.Upload(id, "count", 0)
	running, err := snapshot.Start(ctx, backend, upload, snapshot.Options{Name: upload.Name()})
	check(err)
	check(flights.Set(42)) // not in the checkpoint
	handle, err := running.Wait()
	check(err)
	check(upload.Acknowledge(&handle, nil))
	fmt.Println("complete:", <-complete)

	attempt, err = coordinator.Begin(ctx, complete, operators)
	check(err)
	backend, keyed, flights = open(preset)
	restored := attempt.Restored().Operators[0].Parts[0]
	_, err = snapshot.Restore(ctx, backend, attempt.Source(), []snapshot.Handle{*restored.Handle}, snapshot.RestoreOptions{})
	check(err)
	check(keyed.SetKey("JFK"))
	fmt.Println(flights.Get())
	// Output:
	// complete: 1
	// 41 true <nil>
}

// open opens a backend and declares its state.
func open(preset *weir.Preset) (snapshot.Backend, *state.Keyed[string], state.ValueState[int64]) {
	backend, err := preset.Open(state.Options{})
	check(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
	check(err)
	return backend, keyed, flights
}

// tasks waits for complete checkpoints.
type tasks chan checkpoint.ID

func (t tasks) Trigger(checkpoint.Trigger)         {}
func (t tasks) Complete(s checkpoint.Stats)        { t <- s.ID }
func (t tasks) Aborted(_ checkpoint.ID, err error) { log.Fatal(err) }
func (t tasks) Fail(err error)                     { log.Fatal(err) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
