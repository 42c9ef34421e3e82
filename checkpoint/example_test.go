package checkpoint_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"path"
	"strconv"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

const keyGroups = 128

// subtask counts flights by airport, for its share of the airports.
type subtask struct {
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	flights state.ValueState[int64]
}

func newSubtask(i, parallelism int) *subtask {
	backend, err := heapstate.NewHash(state.Options{Keyspace: state.SubtaskKeyspace(i, parallelism, keyGroups)})
	check(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
	check(err)
	return &subtask{backend, keyed, flights}
}

// host runs one operator, "count". It is the coordinator's view of the job.
type host struct {
	attempt  *checkpoint.Attempt
	subtasks []*subtask
}

// begin begins an attempt with any number of subtasks and restores the newest checkpoint.
func begin(ctx context.Context, c *checkpoint.Coordinator, parallelism int) *host {
	h := new(host)
	var err error
	h.attempt, err = c.Begin(ctx, h, []checkpoint.Subtasks{{Operator: "count", Parallelism: parallelism}})
	check(err)
	for i := range parallelism {
		s := newSubtask(i, parallelism)
		check(h.attempt.Restore(ctx, s.backend, "count"))
		h.subtasks = append(h.subtasks, s)
	}
	return h
}

// Trigger snapshots every subtask. Here no subtask runs while a checkpoint is triggered. In a
// stream job each subtask calls Snapshot on its own goroutine, when the barrier arrives.
func (h *host) Trigger(t checkpoint.Trigger) {
	for i, s := range h.subtasks {
		_, err := h.attempt.Upload(t.ID, "count", i).Snapshot(s.backend, snapshot.Options{}, nil)
		check(err)
	}
}

func (h *host) Complete(checkpoint.Stats)              {}
func (h *host) Aborted(id checkpoint.ID, reason error) { log.Print(reason) }
func (h *host) Fail(reason error)                      { log.Print(reason) }

// at returns the count of an airport's subtask, with the airport as the current key.
func (h *host) at(airport string) state.ValueState[int64] {
	group, err := state.KeyGroupOf(codec.String[string](), airport, keyGroups)
	check(err)
	s := h.subtasks[state.SubtaskOf(group, len(h.subtasks), keyGroups)]
	check(s.keyed.SetKey(airport))
	return s.flights
}

// newCoordinator returns the coordinator of the job "flights".
func newCoordinator(ctx context.Context, s *checkpoint.Storage) *checkpoint.Coordinator {
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "flights", Storage: s, Retain: 2})
	check(err)
	return c
}

// A job with two subtasks takes a checkpoint, fails, and continues from it.
func ExampleCoordinator() {
	ctx := context.Background()
	coordinator := newCoordinator(ctx, checkpoint.NewMemory(checkpoint.MemoryOptions{}))
	defer coordinator.Close()

	job := begin(ctx, coordinator, 2)
	check(job.at("JFK").Set(41))
	check(job.at("SFO").Set(7))
	stats, err := job.attempt.TriggerAndWait(ctx) // Attempt.Run takes one at each interval
	check(err)
	fmt.Println("complete:", stats.ID)
	check(job.at("JFK").Set(42)) // not in the checkpoint

	job = begin(ctx, coordinator, 2) // after a failure
	fmt.Println("restored:", job.attempt.Restored().ID)
	fmt.Println(job.at("JFK").Get())
	fmt.Println(job.at("SFO").Get())
	// Output:
	// complete: 1
	// restored: 1
	// 41 true <nil>
	// 7 true <nil>
}

// A checkpoint of two subtasks is restored by three.
func ExampleAttempt_Restore() {
	ctx := context.Background()
	coordinator := newCoordinator(ctx, checkpoint.NewMemory(checkpoint.MemoryOptions{}))
	defer coordinator.Close()
	airports := []string{"ATL", "JFK", "ORD", "SFO"}

	job := begin(ctx, coordinator, 2)
	for i, airport := range airports {
		check(job.at(airport).Set(int64(i)))
	}
	_, err := job.attempt.TriggerAndWait(ctx)
	check(err)

	job = begin(ctx, coordinator, 3) // calls Attempt.Restore for each subtask
	for _, airport := range airports {
		n, _, err := job.at(airport).Get()
		check(err)
		fmt.Println(airport, n)
	}
	// Output:
	// ATL 0
	// JFK 1
	// ORD 2
	// SFO 3
}

// Checkpoints in a directory survive the process. OpenStorage does the same for the URL
// file:///directory.
func ExampleNewFiles() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "checkpoints")
	check(err)
	defer os.RemoveAll(dir)
	open := func() *checkpoint.Coordinator {
		files, err := checkpoint.NewFiles(dir)
		check(err)
		// A negative InlineBytes stores small files as objects too.
		storage, err := checkpoint.NewStorage(files, checkpoint.StorageOptions{InlineBytes: -1})
		check(err)
		return newCoordinator(ctx, storage)
	}

	coordinator := open()
	job := begin(ctx, coordinator, 2)
	check(job.at("JFK").Set(41))
	_, err = job.attempt.TriggerAndWait(ctx)
	check(err)
	check(coordinator.Close())

	coordinator = open() // the next process
	defer coordinator.Close()
	job = begin(ctx, coordinator, 1)
	fmt.Println(job.at("JFK").Get())

	files, err := checkpoint.NewFiles(dir)
	check(err)
	objects, err := files.List(ctx, "flights/chk-1/")
	check(err)
	for _, o := range objects {
		fmt.Println(o.Name)
	}
	// Output:
	// 41 true <nil>
	// flights/chk-1/1-count-0
	// flights/chk-1/1-count-1
	// flights/chk-1/_metadata
}

// A tool lists the complete checkpoints of a job and reads their metadata.
func ExampleDecode() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "checkpoints")
	check(err)
	defer os.RemoveAll(dir)
	objects, err := checkpoint.NewFiles(dir)
	check(err)
	storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{})
	check(err)
	coordinator := newCoordinator(ctx, storage)
	defer coordinator.Close()
	job := begin(ctx, coordinator, 2)
	for i := range int64(3) { // Retain keeps two checkpoints
		check(job.at("JFK").Set(i))
		_, err = job.attempt.TriggerAndWait(ctx)
		check(err)
	}
	check(coordinator.Close()) // waits for the removal of the first

	entries, err := objects.List(ctx, "flights/completed/")
	check(err)
	for _, entry := range entries {
		id, err := strconv.ParseUint(path.Base(entry.Name), 10, 64)
		check(err)
		c, err := checkpoint.Decode(read(ctx, objects, fmt.Sprintf("flights/chk-%d/_metadata", id)))
		check(err)
		for _, operator := range c.Operators {
			fmt.Println("checkpoint", c.ID, "operator", operator.Name, "subtasks", len(operator.Parts))
			for _, info := range operator.Parts[0].Handle.States {
				fmt.Println("  state", info.Name, "is a", info.Kind)
			}
		}
	}
	// Output:
	// checkpoint 2 operator count subtasks 2
	//   state flights is a value
	// checkpoint 3 operator count subtasks 2
	//   state flights is a value
}

// read returns the content of an object.
func read(ctx context.Context, objects checkpoint.Objects, name string) []byte {
	object, err := objects.Open(ctx, name)
	check(err)
	defer object.Close()
	size, err := object.Size()
	check(err)
	data, err := io.ReadAll(io.NewSectionReader(object, 0, size))
	check(err)
	return data
}

// A program adds a URL scheme of its own for a store of objects.
func ExampleRegister() {
	check(checkpoint.Register("backup", func(_ context.Context, u *url.URL) (checkpoint.Objects, error) {
		return checkpoint.NewFiles(path.Join(os.TempDir(), u.Host))
	}))
	storage, err := checkpoint.OpenStorage(context.Background(), "backup://weir-example", checkpoint.StorageOptions{})
	check(err)
	defer os.RemoveAll(path.Join(os.TempDir(), "weir-example"))
	fmt.Println(storage != nil)
	// Output:
	// true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
