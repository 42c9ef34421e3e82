package heapstate_test

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

// open creates a backend and declares its state. A program that restores does the same first.
func open() (*heapstate.Backend, *state.Keyed[string], state.ValueState[int64]) {
	backend, err := heapstate.NewHash(state.Options{})
	check(err)
	keyed, err := state.NewKeyed(backend, codec.String[string]())
	check(err)
	flights, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "flights", Codec: codec.Int[int64]()})
	check(err)
	return backend, keyed, flights
}

// Example takes a snapshot of a backend while it is in use and restores it into another one.
func Example() {
	path, err := os.MkdirTemp("", "weir")
	check(err)
	defer os.RemoveAll(path)
	directory, err := snapshot.NewDirectory(path)
	check(err)

	backend, keyed, flights := open()
	check(keyed.SetKey("JFK"))
	check(flights.Set(41))
	running, err := snapshot.Start(context.Background(), backend, directory, snapshot.Options{})
	check(err)
	check(flights.Set(42)) // not in the snapshot, which another goroutine writes
	handle, err := running.Wait()
	check(err)

	backend, keyed, flights = open()
	_, err = snapshot.Restore(context.Background(), backend, directory, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
	check(err)
	check(keyed.SetKey("JFK"))
	fmt.Println(flights.Get())
	// Output: 41 true <nil>
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
