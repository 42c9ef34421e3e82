package window_test

import (
	"fmt"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// An element is in each of two overlapping windows. The host is that of the package example.
func ExampleSliding() {
	host := newTaskHost()
	flights := must(window.Aggregate(host, window.Options[string, string, int64]{
		Assigner: window.Sliding(10, 5, 0),
		Emit:     printResult[int64],
	}, countFlights))
	add(host, flights, "JFK", 3, "AA 1")
	add(host, flights, "JFK", 7, "UA 5")
	host.advance(100)
	// Output:
	// JFK {-5 5} 1
	// JFK {0 10} 2
	// JFK {5 15} 1
}

// The third click joins the sessions of the first two into one. The host is that of the package
// example.
func ExampleSession() {
	host := newTaskHost()
	clicks := must(window.List(host, window.Options[string, string, []string]{
		Assigner: window.Session(10),
		Emit:     printResult[[]string],
	}, state.ListDescriptor[string]{Name: "clicks", Codec: codec.String[string]()}))
	add(host, clicks, "ann", 0, "home")
	add(host, clicks, "ann", 15, "cart")
	add(host, clicks, "ann", 8, "shoes")
	host.advance(100)
	// Output:
	// ann {0 25} [home cart shoes]
}

func printResult[V any](r window.Result[string, V]) error {
	fmt.Println(r.Key, r.Window, r.Value)
	return nil
}
