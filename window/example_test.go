package window_test

import (
	"fmt"
	"log"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// Flights by origin in tumbling windows of ten minutes, with a lateness of five minutes. In a
// job, the host is the job.Task.
func Example() {
	host := must(newTask(backends["hash"], state.Options{}))
	flights := must(window.Aggregate(host, window.Options[string, string, int64]{
		Assigner: window.Tumbling(10, 0),
		Lateness: 5,
		Emit: func(r window.Result[string, int64]) error {
			fmt.Println(r.Key, r.Window, r.Value)
			return nil
		},
		Late: func(origin string, time int64, flight string) error {
			fmt.Println("too late:", origin, time, flight)
			return nil
		},
	}, countFlights))

	check(host.keyed.SetKey("JFK"))
	check(flights.Add(3, "AA 1"))
	check(flights.Add(12, "DL 7"))
	check(flights.Add(7, "UA 5"))
	check(host.advance(9)) // fires the first window
	check(host.keyed.SetKey("JFK"))
	check(flights.Add(5, "AA 9")) // fires it again
	check(host.advance(14))       // the window is over
	check(host.keyed.SetKey("JFK"))
	check(flights.Add(6, "DL 2"))
	// Output:
	// JFK {0 10} 2
	// JFK {0 10} 3
	// too late: JFK 6 DL 2
}

// An element is in each of two overlapping windows.
func ExampleSliding() {
	host := must(newTask(backends["hash"], state.Options{}))
	flights := must(window.Aggregate(host, window.Options[string, string, int64]{
		Assigner: window.Sliding(10, 5, 0),
		Emit:     printResult[int64],
	}, countFlights))
	check(host.keyed.SetKey("JFK"))
	check(flights.Add(3, "AA 1"))
	check(flights.Add(7, "UA 5"))
	check(host.advance(100))
	// Output:
	// JFK {-5 5} 1
	// JFK {0 10} 2
	// JFK {5 15} 1
}

// The third click joins the sessions of the first two into one.
func ExampleSession() {
	host := must(newTask(backends["hash"], state.Options{}))
	clicks := must(window.List(host, window.Options[string, string, []string]{
		Assigner: window.Session(10),
		Emit:     printResult[[]string],
	}, state.ListDescriptor[string]{Name: "clicks", Codec: codec.String[string]()}))
	check(host.keyed.SetKey("ann"))
	check(clicks.Add(0, "home"))
	check(clicks.Add(15, "cart"))
	check(clicks.Add(8, "shoes"))
	check(host.advance(100))
	// Output:
	// ann {0 25} [home cart shoes]
}

func printResult[V any](r window.Result[string, V]) error {
	fmt.Println(r.Key, r.Window, r.Value)
	return nil
}

var countFlights = state.AggregatingDescriptor[string, int64, int64]{
	Name:   "flights",
	Codec:  codec.Int[int64](),
	Create: func() int64 { return 0 },
	Add:    func(n int64, _ string) (int64, error) { return n + 1, nil },
	Merge:  func(m, n int64) (int64, error) { return m + n, nil },
	Result: func(n int64) (int64, error) { return n, nil },
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
