package window_test

import (
	"fmt"
	"log"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// Flights by origin and ten minutes. The host would be the task of a job.
func Example() {
	host, err := newTask(backends["hash"], state.Options{})
	check(err)
	flights, err := window.Aggregate(host, window.Options[string, string, int64]{
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
	}, countFlights)
	check(err)

	check(host.keyed.SetKey("JFK"))
	check(flights.Add(3, "AA 1"))
	check(flights.Add(12, "DL 7"))
	check(flights.Add(7, "UA 5"))
	check(host.advance(9)) // fires the first window
	check(host.keyed.SetKey("JFK"))
	check(flights.Add(5, "AA 9")) // fires it again
	check(host.advance(14))
	check(host.keyed.SetKey("JFK"))
	check(flights.Add(6, "DL 2"))
	// Output:
	// JFK {0 10} 2
	// JFK {0 10} 3
	// too late: JFK 6 DL 2
}

var countFlights = state.AggregatingDescriptor[string, int64, int64]{
	Name:   "flights",
	Codec:  codec.Int[int64](),
	Create: func() int64 { return 0 },
	Add:    func(n int64, _ string) (int64, error) { return n + 1, nil },
	Merge:  func(m, n int64) (int64, error) { return m + n, nil },
	Result: func(n int64) (int64, error) { return n, nil },
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
