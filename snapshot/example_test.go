package snapshot_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// counts is a backend with one value state.
type counts struct {
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	value   state.ValueState[int64]
}

// openCounts opens an empty backend for some of 8 key groups and declares its state.
func openCounts(keyspace state.Keyspace) counts {
	backend, err := heapstate.NewHash(state.Options{Keyspace: keyspace})
	must(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	must(err)
	value, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	must(err)
	return counts{backend, keyed, value}
}

// set sets the count of a key.
func (c counts) set(key string, n int64) {
	must(c.keyed.SetKey(key))
	must(c.value.Set(n))
}

// get returns the count of a key.
func (c counts) get(key string) int64 {
	must(c.keyed.SetKey(key))
	n, _, err := c.value.Get()
	must(err)
	return n
}

// openDirectory opens a directory for snapshots. The caller removes it.
func openDirectory() (d *snapshot.Directory, path string) {
	path, err := os.MkdirTemp("", "weir")
	must(err)
	d, err = snapshot.NewDirectory(path)
	must(err)
	return d, path
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Example takes a snapshot of a backend while the task continues, and restores it into a new
// backend.
func Example() {
	ctx := context.Background()
	directory, path := openDirectory()
	defer os.RemoveAll(path)

	task := openCounts(state.WholeKeyspace(8))
	task.set("JFK", 41)
	running, err := snapshot.Start(ctx, task.backend, directory, snapshot.Options{Name: "first"})
	must(err)
	task.set("JFK", 42) // not in the snapshot
	handle, err := running.Wait()
	must(err)
	fmt.Println(handle.Files[0].Name, handle.Rows, "row")

	restored := openCounts(state.WholeKeyspace(8))
	_, err = snapshot.Restore(ctx, restored.backend, directory, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
	must(err)
	fmt.Println(restored.get("JFK"))
	// Output:
	// first 1 row
	// 41
}

// ExampleRestore restores the snapshot of one backend into two backends, each with half of the key
// groups.
func ExampleRestore() {
	ctx := context.Background()
	directory, path := openDirectory()
	defer os.RemoveAll(path)

	const maxParallelism = 8
	whole := openCounts(state.WholeKeyspace(maxParallelism))
	airports := []string{"ATL", "JFK", "LAX", "ORD", "SFO"}
	for i, airport := range airports {
		whole.set(airport, int64(i))
	}
	running, err := snapshot.Start(ctx, whole.backend, directory, snapshot.Options{})
	must(err)
	handle, err := running.Wait()
	must(err)

	total := int64(0)
	const parallelism = 2
	for subtask := range parallelism {
		half := openCounts(state.SubtaskKeyspace(subtask, parallelism, maxParallelism))
		restored, err := snapshot.Restore(ctx, half.backend, directory, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
		must(err)
		total += restored.Rows
	}
	fmt.Println(total, "rows of", len(airports))
	// Output: 5 rows of 5
}

// ExampleReadHandle makes the handle of a portable snapshot from its file, for a program that has
// lost the handle, and reads the rows of the file.
func ExampleReadHandle() {
	ctx := context.Background()
	directory, path := openDirectory()
	defer os.RemoveAll(path)

	task := openCounts(state.WholeKeyspace(8))
	task.set("JFK", 41)
	running, err := snapshot.Start(ctx, task.backend, directory, snapshot.Options{Name: "counts"})
	must(err)
	_, err = running.Wait()
	must(err)

	handle, err := snapshot.ReadHandle(ctx, directory, "counts") // verifies every byte
	must(err)
	for _, info := range handle.States {
		fmt.Println(info.Name, info.Kind)
	}

	object, err := directory.Open(ctx, "counts")
	must(err)
	defer object.Close()
	reader, err := snapshot.NewReader(object, handle.Files[0].Size)
	must(err)
	defer reader.Close()
	groups := reader.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		must(reader.Rows(uint16(group), func(key, value []byte) error {
			fmt.Printf("%x %x\n", key[2:], value) // without the key group
			return nil
		}))
	}
	// Output:
	// count value
	// 476495884a464b00010001 008000000000000029
}
