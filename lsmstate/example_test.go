package lsmstate_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// task is a backend with one value state.
type task struct {
	backend *lsmstate.Backend
	keyed   *state.Keyed[string]
	flights state.ValueState[string]
}

// openTask creates a backend in a directory and declares its state.
func openTask(dir string, o lsmstate.Options) task {
	backend, err := lsmstate.Create(dir, o)
	check(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, flightsDescriptor)
	check(err)
	return task{backend, keyed, flights}
}

var flightsDescriptor = state.ValueDescriptor[string]{Name: "flights", Codec: codec.String[string]()}

func (t task) set(key, value string) {
	check(t.keyed.SetKey(key))
	check(t.flights.Set(value))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Example takes a snapshot of one backend and restores it into another one. Both share a budget.
func Example() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	snapshots, err := snapshot.NewDirectory(filepath.Join(path, "snapshots"))
	check(err)
	budget := lsm.NewBudget(64 << 20)
	defer budget.Close() // after the backends are closed

	first := openTask(filepath.Join(path, "first"), lsmstate.Options{Budget: budget})
	first.set("JFK", "41 flights")
	running, err := snapshot.Start(ctx, first.backend, snapshots, snapshot.Options{})
	check(err)
	first.set("JFK", "42 flights") // not in the snapshot, which another goroutine writes
	handle, err := running.Wait()
	check(err)
	check(first.backend.Close())

	second := openTask(filepath.Join(path, "second"), lsmstate.Options{Budget: budget})
	_, err = snapshot.Restore(ctx, second.backend, snapshots, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
	check(err)
	check(second.keyed.SetKey("JFK"))
	fmt.Println(second.flights.Get())
	check(second.backend.Close())
	// Output: 41 flights true <nil>
}

// sharedDirectory is a snapshot.SharingTarget. Package checkpoint has one for whole jobs.
type sharedDirectory struct {
	*snapshot.Directory
	name      string                                 // of the snapshot in progress
	confirmed map[snapshot.Identity]snapshot.FileRef // files of the last complete snapshot
}

// Share implements snapshot.SharingTarget.
func (d *sharedDirectory) Share(ctx context.Context, suffix string) (snapshot.File, snapshot.FileRef, error) {
	name := d.name + "." + suffix
	file, err := d.Create(ctx, name)
	return file, snapshot.FileRef{Name: name, Shared: true}, err
}

// Confirmed implements snapshot.SharingTarget.
func (d *sharedDirectory) Confirmed(id snapshot.Identity) (snapshot.FileRef, bool) {
	ref, ok := d.confirmed[id]
	return ref, ok
}

// take takes an incremental snapshot and returns its handle and the number of bytes written.
func (d *sharedDirectory) take(b snapshot.Backend, name string) (snapshot.Handle, int64) {
	d.name = name
	running, err := snapshot.Start(context.Background(), b, d, snapshot.Options{Name: name, Mode: snapshot.Incremental})
	check(err)
	handle, err := running.Wait()
	check(err)
	d.confirmed = make(map[snapshot.Identity]snapshot.FileRef)
	for _, file := range handle.Files {
		d.confirmed[file.Identity] = file
	}
	return handle, running.Progress().Bytes
}

// Example_incremental takes two incremental snapshots. The second one writes only the table with the
// changed row and refers to the files of the first one.
func Example_incremental() {
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	snapshots, err := snapshot.NewDirectory(filepath.Join(path, "snapshots"))
	check(err)
	target := &sharedDirectory{Directory: snapshots}

	t := openTask(filepath.Join(path, "task"), lsmstate.Options{})
	random := rand.NewChaCha8([32]byte{})
	value := make([]byte, 1000)
	for i := range 2000 {
		_, _ = random.Read(value)
		t.set(fmt.Sprint("airport ", i), string(value))
	}
	_, firstBytes := target.take(t.backend, "first")
	t.set("airport 7", "closed")
	second, secondBytes := target.take(t.backend, "second")

	fmt.Println("the second snapshot has all rows:", second.Bytes() > firstBytes)
	fmt.Println("it wrote less than 1 % of the first:", secondBytes < firstBytes/100)
	check(t.backend.Close())
	// Output:
	// the second snapshot has all rows: true
	// it wrote less than 1 % of the first: true
}

// Example_query reads a view by key while the task continues. Any goroutine may do so.
func Example_query() {
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	t := openTask(filepath.Join(path, "task"), lsmstate.Options{})
	t.set("JFK", "41 flights")

	view, err := t.backend.View() // in the task's goroutine
	check(err)
	query, err := state.QueryValue(view, codec.String[string](), flightsDescriptor)
	check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Println(query.Get("JFK", nil))
		fmt.Println(query.Get("LAX", nil))
	}()
	t.set("JFK", "42 flights") // not in the view
	<-done
	view.Close()
	check(t.backend.Close())
	// Output:
	// 41 flights true <nil>
	//  false <nil>
}

// Example_parallelism restores the native snapshot of one backend into three backends, each with a
// third of the key groups. The restore links the tables; it rewrites no row.
func Example_parallelism() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	snapshots, err := snapshot.NewDirectory(filepath.Join(path, "snapshots"))
	check(err)

	const maxParallelism, keys = 12, 100
	whole := openTask(filepath.Join(path, "whole"), lsmstate.Options{
		Options: state.Options{Keyspace: state.WholeKeyspace(maxParallelism)},
	})
	for i := range keys {
		whole.set(fmt.Sprint("airport ", i), "open")
	}
	running, err := snapshot.Start(ctx, whole.backend, snapshots, snapshot.Options{Mode: snapshot.Full})
	check(err)
	handle, err := running.Wait()
	check(err)
	check(whole.backend.Close())

	found := 0
	const parallelism = 3
	for subtask := range parallelism {
		part := openTask(filepath.Join(path, fmt.Sprint("part", subtask)), lsmstate.Options{
			Options: state.Options{Keyspace: state.SubtaskKeyspace(subtask, parallelism, maxParallelism)},
		})
		_, err = snapshot.Restore(ctx, part.backend, snapshots, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
		check(err)
		for _, err := range part.keyed.Keys("flights", nil) {
			check(err)
			found++
		}
		check(part.backend.Close())
	}
	fmt.Println(found, "of", keys, "keys")
	// Output: 100 of 100 keys
}
