package heapstate_test

import (
	"fmt"
	"sync"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Example_query reads the state of a view from several goroutines while the task continues.
func Example_query() {
	backend, keyed, flights := open()
	for i, airport := range []string{"JFK", "LAX", "SFO"} {
		check(keyed.SetKey(airport))
		check(flights.Set(int64(40 + i)))
	}

	view, err := backend.View() // in the task's goroutine
	check(err)
	query, err := state.QueryValue(view, codec.String[string](), state.ValueDescriptor[int64]{
		Name: "flights", Codec: codec.Int[int64](),
	})
	check(err)

	answers := make([]string, 3)
	var readers sync.WaitGroup
	for i, airport := range []string{"JFK", "SFO", "BOS"} {
		readers.Go(func() {
			n, ok, err := query.Get(airport, nil)
			answers[i] = fmt.Sprintln(airport, n, ok, err)
		})
	}
	check(keyed.SetKey("JFK"))
	check(flights.Set(99)) // not in the view
	readers.Wait()
	view.Close()

	fmt.Print(answers[0], answers[1], answers[2])
	_, _, err = query.Get("JFK", nil)
	fmt.Println(err)
	// Output:
	// JFK 40 true <nil>
	// SFO 42 true <nil>
	// BOS 0 false <nil>
	// state "flights": backend is closed
}
