package window_test

import (
	"context"
	"fmt"
	"log"
	"math"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// taskHost implements window.Host for keys that are strings: state on the heap, a watermark, and
// timers that fire when the watermark passes them. In a job, the host is the job.Task.
type taskHost struct {
	keyed     *state.Keyed[string]
	watermark int64
	timers    *state.Timers[string]
	fire      func(state.Timer[string]) error
}

func newTaskHost() *taskHost {
	backend := must(heapstate.NewHash(state.Options{}))
	return &taskHost{keyed: must(state.NewKeyed(backend, codec.String[string]())), watermark: math.MinInt64}
}

func (h *taskHost) Context() context.Context    { return context.Background() }
func (h *taskHost) Keyed() *state.Keyed[string] { return h.keyed }
func (h *taskHost) Watermark() int64            { return h.watermark }

// Timers declares the timers of the windows. Windows call it once.
func (h *taskHost) Timers(name string, fire func(state.Timer[string]) error) (timers *state.Timers[string], err error) {
	h.timers, err = state.TimersOf(h.keyed, name)
	h.fire = fire
	return h.timers, err
}

// advance sets the watermark and fires the timers that are due.
func (h *taskHost) advance(watermark int64) {
	h.watermark = watermark
	check(h.timers.Advance(state.EventTime, watermark, h.fire))
}

// add adds an element to the windows of a key.
func add[Out any](h *taskHost, w *window.Windows[string, string, Out], key string, time int64, element string) {
	check(h.keyed.SetKey(key))
	check(w.Add(time, element))
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

// Flights by origin in tumbling windows of ten minutes, with a lateness of five minutes.
func Example() {
	host := newTaskHost()
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

	add(host, flights, "JFK", 3, "AA 1")
	add(host, flights, "JFK", 12, "DL 7")
	add(host, flights, "JFK", 7, "UA 5")
	host.advance(9)                      // fires the first window
	add(host, flights, "JFK", 5, "AA 9") // fires it again
	host.advance(14)                     // the window is over
	add(host, flights, "JFK", 6, "DL 2")
	// Output:
	// JFK {0 10} 2
	// JFK {0 10} 3
	// too late: JFK 6 DL 2
}
