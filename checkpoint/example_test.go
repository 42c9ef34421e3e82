package checkpoint_test

import (
	"context"
	"fmt"
	"log"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// tasks are the coordinator's view of a job; a real one sends barriers through
// its subtasks when it is told to.
type tasks struct {
	triggers chan checkpoint.Trigger
	complete chan checkpoint.Stats
}

func (t tasks) Trigger(trigger checkpoint.Trigger)     { t.triggers <- trigger }
func (t tasks) Complete(stats checkpoint.Stats)        { t.complete <- stats }
func (t tasks) Aborted(id checkpoint.ID, reason error) { log.Print(reason) }
func (t tasks) Fail(reason error)                      { log.Fatal(reason) }

// open opens the backend of the only subtask.
func open() (*heapstate.Backend, state.ValueState[int64]) {
	backend, err := heapstate.NewHash(state.Options{})
	check(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
	check(err)
	check(keyed.SetKey("JFK"))
	return backend, flights
}

// From a trigger to a restore. The storage could as well be files: see
// OpenStorage.
func ExampleCoordinator() {
	ctx := context.Background()
	coordinator, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{
		Job: "flights", Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}),
	})
	check(err)
	defer coordinator.Close()
	job := tasks{make(chan checkpoint.Trigger, 1), make(chan checkpoint.Stats, 1)}
	operators := []checkpoint.Subtasks{{Operator: "count", Parallelism: 1}}
	attempt, err := coordinator.Begin(ctx, job, operators)
	check(err)

	backend, flights := open()
	check(flights.Set(41))
	_, err = attempt.Trigger() // Run does it at an interval
	check(err)
	upload := attempt.Upload((<-job.triggers).ID, "count", 0)
	running, err := snapshot.Start(upload.Context(), backend, upload, snapshot.Options{Name: upload.Name()})
	check(err)
	check(flights.Set(42)) // not in the checkpoint
	handle, err := running.Wait()
	check(err)
	check(upload.Acknowledge(&handle, []byte("offset 1041")))
	fmt.Println("complete:", (<-job.complete).ID)

	attempt, err = coordinator.Begin(ctx, job, operators) // after a failure
	check(err)
	part := attempt.Restored().Operators[0].Parts[0]
	backend, flights = open()
	_, err = snapshot.Restore(ctx, backend, attempt.Source(), []snapshot.Handle{*part.Handle}, snapshot.RestoreOptions{})
	check(err)
	fmt.Println(flights.Get())
	fmt.Println(string(part.Data))
	// Output:
	// complete: 1
	// 41 true <nil>
	// offset 1041
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
