package lsmstate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Example takes a snapshot of one backend and restores it into another one. Both share a budget.
func Example() {
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	snapshots, err := snapshot.NewDirectory(filepath.Join(path, "snapshots"))
	check(err)
	budget := lsm.NewBudget(64 << 20)
	defer budget.Close() // after the backends are closed
	open := func(dir string) (*lsmstate.Backend, *state.Keyed[string], state.ValueState[int64]) {
		backend, err := lsmstate.Create(filepath.Join(path, dir), lsmstate.Options{Budget: budget})
		check(err)
		keyed, err := state.NewKeyed(backend, codec.String[string]())
		check(err)
		flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
		check(err)
		return backend, keyed, flights
	}

	first, keyed, flights := open("first")
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	running, err := snapshot.Start(context.Background(), first, snapshots, snapshot.Options{})
	check(err)
	check(flights.Set(42)) // not in the snapshot, which another goroutine writes
	handle, err := running.Wait()
	check(err)
	check(first.Close())

	second, keyed, flights := open("second")
	_, err = snapshot.Restore(context.Background(), second, snapshots, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
	check(err)
	check(keyed.SetKey("JFK"))
	fmt.Println(flights.Get())
	check(second.Close())
	// Output: 41 true <nil>
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
