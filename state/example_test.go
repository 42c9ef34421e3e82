package state_test

import (
	"fmt"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// open returns a Keyed on a new heap backend. A job's operator gets one from Task.Keyed.
func open() *state.Keyed[string] {
	b, err := heapstate.NewHash(state.Options{})
	check(err)
	keyed, err := state.NewKeyed(b, codec.String[string]())
	check(err)
	return keyed
}

// check ends an example at an error. A program returns the error instead.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Count the visits of each user.
func ExampleValueOf() {
	keyed := open()
	visits, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "visits", Codec: codec.Int[int64]()})
	check(err)
	for _, user := range []string{"ann", "bob", "ann"} {
		check(keyed.SetKey(user))
		n, _, err := visits.Get() // 0 for a user without visits
		check(err)
		check(visits.Set(n + 1))
	}
	for _, user := range []string{"ann", "bob", "eve"} {
		check(keyed.SetKey(user))
		n, ok, err := visits.Get()
		fmt.Println(user, n, ok, err)
	}
	// Output:
	// ann 2 true <nil>
	// bob 1 true <nil>
	// eve 0 false <nil>
}

// Collect the pages that a user has seen, in the order of arrival.
func ExampleListOf() {
	keyed := open()
	pages, err := state.ListOf(keyed, state.ListDescriptor[string]{Name: "pages", Codec: codec.String[string]()})
	check(err)
	check(keyed.SetKey("ann"))
	check(pages.Add("/home"))
	check(pages.AddAll([]string{"/shop", "/cart"}))
	for page, err := range pages.All() {
		check(err)
		fmt.Println(page)
	}
	// Output:
	// /home
	// /shop
	// /cart
}

// Keep the price of each product. The iteration is ordered by product, and the loop may write.
func ExampleMapOf() {
	keyed := open()
	prices, err := state.MapOf(keyed, state.MapDescriptor[string, int64]{
		Name: "prices", Key: codec.String[string](), Value: codec.Int[int64](),
	})
	check(err)
	check(keyed.SetKey("shop"))
	check(prices.PutAll(map[string]int64{"tea": 4, "cake": 7, "coffee": 3}))
	for e, err := range prices.All() {
		check(err)
		if e.Value < 4 {
			check(prices.Remove(e.Key))
		}
	}
	n, err := prices.Len()
	check(err)
	price, ok, err := prices.Get("tea")
	fmt.Println(n, price, ok, err)
	// Output: 2 4 true <nil>
}

// Scan a range of a map: the events of a user from a time on.
func ExampleMapState_From() {
	keyed := open()
	events, err := state.MapOf(keyed, state.MapDescriptor[int64, string]{
		Name: "events", Key: codec.Int[int64](), Value: codec.String[string](),
	})
	check(err)
	check(keyed.SetKey("ann"))
	check(events.PutAll(map[int64]string{10: "login", 20: "search", 30: "buy", 40: "logout"}))
	for e, err := range events.From(15) {
		check(err)
		if e.Key > 30 {
			break
		}
		fmt.Println(e.Key, e.Value)
	}
	last, ok, err := events.Floor(35)
	fmt.Println(last.Value, ok, err)
	// Output:
	// 20 search
	// 30 buy
	// buy true <nil>
}

// Keep the largest amount of each account.
func ExampleReducingOf() {
	keyed := open()
	largest, err := state.ReducingOf(keyed, state.ReducingDescriptor[int64]{
		Name: "largest", Codec: codec.Int[int64](),
		Reduce: func(old, next int64) (int64, error) { return max(old, next), nil },
	})
	check(err)
	check(keyed.SetKey("account 1"))
	for _, amount := range []int64{5, 30, 10} {
		check(largest.Add(amount))
	}
	fmt.Println(largest.Get())
	// Output: 30 true <nil>
}

// Compute a mean: the accumulator is a sum and a count, the result their quotient.
func ExampleAggregatingOf() {
	type sums struct{ Sum, Count int64 }
	keyed := open()
	mean, err := state.AggregatingOf(keyed, state.AggregatingDescriptor[int64, sums, float64]{
		Name: "mean",
		Codec: codec.Struct("sums", 1,
			codec.Field("sum", func(s *sums) *int64 { return &s.Sum }, codec.Int[int64]()),
			codec.Field("count", func(s *sums) *int64 { return &s.Count }, codec.Int[int64]())),
		Create: func() sums { return sums{} },
		Add:    func(s sums, v int64) (sums, error) { return sums{s.Sum + v, s.Count + 1}, nil },
		Merge:  func(s, t sums) (sums, error) { return sums{s.Sum + t.Sum, s.Count + t.Count}, nil },
		Result: func(s sums) (float64, error) { return float64(s.Sum) / float64(s.Count), nil },
	})
	check(err)
	check(keyed.SetKey("sensor 1"))
	for _, v := range []int64{1, 2, 6} {
		check(mean.Add(v))
	}
	fmt.Println(mean.Get())
	// Output: 3 true <nil>
}

// Act on a key later: here, when the watermark reaches 20.
func ExampleTimersOf() {
	keyed := open()
	timers, err := state.TimersOf(keyed, "reminders")
	check(err)
	for user, at := range map[string]int64{"ann": 10, "bob": 20, "eve": 30} {
		check(keyed.SetKey(user))
		check(timers.Register(state.EventTime, at, nil))
	}
	err = timers.Advance(state.EventTime, 20, func(t state.Timer[string]) error {
		key, _ := keyed.Key() // the key of the timer
		fmt.Println(t.Timestamp, key)
		return nil
	})
	check(err)
	fmt.Println(timers.Next(state.EventTime))
	// Output:
	// 10 ann
	// 20 bob
	// 30 true <nil>
}

// Give each window of a key a namespace of its own, and merge two windows into one.
func ExampleListState_mergeNamespaces() {
	keyed := open()
	elements, err := state.ListOf(keyed, state.ListDescriptor[string]{Name: "elements", Codec: codec.String[string]()})
	check(err)
	check(keyed.SetKey("ann"))
	early, late := []byte("window 1"), []byte("window 2")
	check(elements.SetNamespace(early))
	check(elements.AddAll([]string{"a", "b"}))
	check(elements.SetNamespace(late))
	check(elements.Add("c"))

	check(elements.MergeNamespaces(early, [][]byte{late}))
	fmt.Println(elements.Get()) // the handle is still in window 2
	check(elements.SetNamespace(early))
	fmt.Println(elements.Get())
	// Output:
	// [] <nil>
	// [a b c] <nil>
}

// List the keys that a state has.
func ExampleKeyed_Keys() {
	keyed := open()
	visits, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "visits", Codec: codec.Int[int64]()})
	check(err)
	for _, user := range []string{"ann", "bob"} {
		check(keyed.SetKey(user))
		check(visits.Set(1))
	}
	check(visits.Clear()) // of bob
	for user, err := range keyed.Keys("visits", nil) {
		fmt.Println(user, err)
	}
	// Output: ann <nil>
}

// Read state by key from another goroutine: take a view on the task's goroutine, query it anywhere.
func ExampleQueryValue() {
	b, err := heapstate.NewHash(state.Options{})
	check(err)
	keyed, err := state.NewKeyed(b, codec.String[string]())
	check(err)
	descriptor := state.ValueDescriptor[int64]{Name: "visits", Codec: codec.Int[int64]()}
	visits, err := state.ValueOf(keyed, descriptor)
	check(err)
	check(keyed.SetKey("ann"))
	check(visits.Set(2))

	view, err := b.View()
	check(err)
	check(visits.Set(3)) // not in the view
	query, err := state.QueryValue(view, codec.String[string](), descriptor)
	check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fmt.Println(query.Get("ann", nil))
	}()
	<-done
	view.Close()
	// Output: 2 true <nil>
}

// Send an element to the subtask that owns its key.
func ExampleKeyGroupOf() {
	const parallelism, maxParallelism = 3, 128
	for _, key := range []string{"ann", "bob", "eve"} {
		group, err := state.KeyGroupOf(codec.String[string](), key, maxParallelism)
		check(err)
		subtask := state.SubtaskOf(group, parallelism, maxParallelism)
		owned := state.SubtaskKeyspace(subtask, parallelism, maxParallelism).Groups
		fmt.Println(key, owned.Contains(group))
	}
	// Output:
	// ann true
	// bob true
	// eve true
}
