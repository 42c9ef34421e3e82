package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// viewQueries tests queries of backends whose views implement backend.KeyView.
func viewQueries(t *testing.T, h harness) {
	v := viewOf(t, h.program(t, state.Options{}))
	if _, ok := v.(backend.KeyView); !ok {
		_, err := state.QueryValue(v, text, valueText)
		require.ErrorIs(t, err, state.ErrUnsupported)
		t.Skipf("%T does not implement backend.KeyView: views of this backend cannot be queried", v)
	}
	t.Run("each kind, key and namespace reads as of the view, while the task writes", func(t *testing.T) {
		queriesBesideWrites(t, h)
	})
	t.Run("keys of a fixed size, from several views", func(t *testing.T) { queriesOfNumbers(t, h) })
	t.Run("entries of a map", func(t *testing.T) { queriesOfEntries(t, h) })
	t.Run("errors", func(t *testing.T) { queryErrors(t, h) })
	t.Run("reads that began before Close complete", func(t *testing.T) { queriesAfterClose(t, h) })
}

// The descriptors of a program's states, for queries.
var (
	valueText   = state.ValueDescriptor[string]{Name: "value", Codec: text, Default: "nothing"}
	listText    = state.ListDescriptor[string]{Name: "list", Codec: text}
	entriesText = state.MapDescriptor[string, string]{Name: "map", Key: text, Value: text}
)

// viewOf takes a view. The end of the test closes it.
func viewOf(t *testing.T, p *program) snapshot.View {
	t.Helper()
	v, err := p.backend.View()
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// queries has a query of each kind.
type queries struct {
	value      *state.Query[string, string]
	list       *state.Query[string, []string]
	entries    *state.MapQuery[string, string, string]
	reduced    *state.Query[string, string]
	aggregated *state.Query[string, string]
}

func queriesOf(t *testing.T, v state.View) (q queries) {
	t.Helper()
	var err [5]error
	q.value, err[0] = state.QueryValue(v, text, valueText)
	q.list, err[1] = state.QueryList(v, text, listText)
	q.entries, err[2] = state.QueryMap(v, text, entriesText)
	q.reduced, err[3] = state.QueryReducing(v, text, reducing)
	q.aggregated, err[4] = state.QueryAggregating(v, text, aggregating)
	require.NoError(t, errors.Join(err[:]...))
	return q
}

// contents returns the results of all queries for a key and a namespace, as a text. Any goroutine may
// call it.
func (q queries) contents(key, namespace string) (string, error) {
	n := []byte(namespace)
	value, hasValue, err0 := q.value.Get(key, n)
	list, hasList, err1 := q.list.Get(key, n)
	reduced, hasReduced, err2 := q.reduced.Get(key, n)
	joined, hasJoined, err3 := q.aggregated.Get(key, n)
	var entries []state.Entry[string, string]
	err4 := error(nil)
	for e, err := range q.entries.All(key, n) {
		if err4 = err; err == nil {
			entries = append(entries, e)
		}
	}
	return fmt.Sprintf("%q %v %q %v %q %v %q %v %q", value, hasValue, list, hasList, reduced, hasReduced, joined, hasJoined, entries),
		errors.Join(err0, err1, err2, err3, err4)
}

// contents returns the same text from the handles of the program.
func (p *program) contents(key, namespace string) string {
	p.t.Helper()
	p.at(key)
	p.in(namespace)
	defer p.in("")
	value, hasValue, err0 := p.value.Get()
	if !hasValue {
		value = valueText.Default
	}
	list, err1 := p.list.Get()
	reduced, hasReduced, err2 := p.reduced.Get()
	joined, hasJoined, err3 := p.aggregated.Get()
	require.NoError(p.t, errors.Join(err0, err1, err2, err3))
	entries := collect(p.t, p.entries.All())
	return fmt.Sprintf("%q %v %q %v %q %v %q %v %q",
		value, hasValue, list, len(list) > 0, reduced, hasReduced, joined, hasJoined, entries)
}

// queriesBesideWrites compares results of queries in several goroutines with results of the handles at
// the moment of the view. Each goroutine begins before the task writes, and repeats its reads until
// the task has written to all states.
func queriesBesideWrites(t *testing.T, h harness) {
	p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(4)})
	for round := range 3 {
		p.work(round)
	}
	p.at("1")
	p.putNumbered(200)
	q := queriesOf(t, viewOf(t, p))
	want := make(map[place]string)
	for key := range 60 { // work writes to 40 of them
		for _, namespace := range []string{"", "n", "m", "other"} {
			at := place{fmt.Sprint(key), namespace}
			want[at] = p.contents(at.key, at.namespace)
		}
	}
	var reading, begun sync.WaitGroup
	written := make(chan struct{})
	failures := make(chan error, 4)
	for range cap(failures) {
		begun.Add(1)
		reading.Go(func() { failures <- readUntil(q, want, begun.Done, written) })
	}
	begun.Wait()
	for round := range 5 {
		p.work(3 + round)
	}
	for key := range 60 {
		p.at(fmt.Sprint(key))
		p.clear()
	}
	close(written)
	reading.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	for at, before := range want {
		got, err := q.contents(at.key, at.namespace)
		require.NoError(t, err)
		require.Equal(t, before, got, "%v", at)
	}
}

// readUntil reads all places by queries, again and again, until a channel is closed, and then once
// more. It calls begun after the first read.
func readUntil(q queries, want map[place]string, begun func(), end <-chan struct{}) error {
	begun = sync.OnceFunc(begun)
	defer begun()
	for last := false; ; {
		for at, want := range want {
			got, err := q.contents(at.key, at.namespace)
			begun()
			if err != nil {
				return fmt.Errorf("%v: %w", at, err)
			}
			if got != want {
				return fmt.Errorf("%v: read %s, the view has %s", at, got, want)
			}
		}
		if last {
			return nil
		}
		select {
		case <-end:
			last = true
		default:
		}
	}
}

func queriesOfNumbers(t *testing.T, h harness) {
	b := h.backend(t, state.Options{Keyspace: state.SubtaskKeyspace(1, 2, 8)})
	number := codec.Int[int64]()
	k := keyedOn(t, b, number)
	s := valueOn(t, k, "number", number)
	type pinned struct {
		view  snapshot.View
		query *state.Query[int64, int64]
	}
	const keys = 500
	var views []pinned
	for round := range int64(3) {
		for key := range int64(keys) {
			if err := k.SetKey(key); err != nil {
				require.ErrorIs(t, err, state.ErrKeyGroup)
			} else if key%3 == round {
				require.NoError(t, s.Clear())
			} else {
				require.NoError(t, s.Set(key*10+round))
			}
		}
		v, err := b.View()
		require.NoError(t, err)
		t.Cleanup(v.Close)
		query, err := state.QueryValue(v, number, state.ValueDescriptor[int64]{Name: "number", Codec: number})
		require.NoError(t, err)
		views = append(views, pinned{v, query})
	}
	owned := 0
	for _, round := range []int64{1, 0, 2} {
		for key := range int64(keys) {
			got, ok, err := views[round].query.Get(key, nil)
			switch group, _ := state.KeyGroupOf(number, key, 8); {
			case group < 4:
				require.ErrorIs(t, err, state.ErrKeyGroup)
				continue
			case key%3 == round:
				require.Equal(t, []any{int64(0), false, nil}, []any{got, ok, err}, "key %d in round %d", key, round)
			default:
				require.Equal(t, []any{key*10 + round, true, nil}, []any{got, ok, err}, "key %d in round %d", key, round)
			}
			owned++
		}
		views[round].view.Close()
	}
	require.Greater(t, owned, keys)
}

func queriesOfEntries(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.at("k")
	p.in("n")
	var all []state.Entry[string, string]
	for i := range 150 {
		e := state.Entry[string, string]{Key: fmt.Sprintf("key %03d", i*2), Value: fmt.Sprint("v", i)}
		all = append(all, e)
		require.NoError(t, p.entries.Put(e.Key, e.Value))
	}
	v := viewOf(t, p)
	q := queriesOf(t, v).entries
	require.NoError(t, p.entries.Clear())
	namespace := []byte("n")
	require.Equal(t, all, collect(t, q.All("k", namespace)))
	for _, from := range []int{0, 1, 2, 77, 298, 299} {
		require.Equal(t, all[(from+1)/2:], append([]state.Entry[string, string]{}, collect(t, q.From("k", namespace, fmt.Sprintf("key %03d", from)))...))
	}
	got, ok, err := q.Get("k", namespace, "key 002")
	require.Equal(t, []any{"v1", true, nil}, []any{got, ok, err})
	for _, absent := range []string{"key 001", "key 00", "", "key 0022"} {
		got, ok, err = q.Get("k", namespace, absent)
		require.Equal(t, []any{"", false, nil}, []any{got, ok, err}, absent)
	}
	_, ok, err = q.Get("k", nil, "key 002")
	require.Equal(t, []any{false, nil}, []any{ok, err}, "it is in another namespace")
	for e, err := range q.All("k", namespace) {
		require.NoError(t, err)
		_, ok, err := q.Get("k", namespace, e.Key)
		require.Equal(t, []any{true, nil}, []any{ok, err}, "a read within an iteration")
		v.Close()
		break
	}
}

func queryErrors(t *testing.T, h harness) {
	p := h.program(t, state.Options{Keyspace: state.SubtaskKeyspace(1, 2, 128)})
	v := viewOf(t, p)
	valueOn(t, p.keyed, "late", text)
	_, err := state.QueryValue(v, text, state.ValueDescriptor[string]{Name: "late", Codec: text})
	require.ErrorIs(t, err, state.ErrUnknownState)
	_, err = state.QueryValue(v, text, state.ValueDescriptor[string]{Name: "timers", Codec: text})
	require.ErrorIs(t, err, state.ErrStateMismatch)
	_, err = state.QueryValue(v, text, state.ValueDescriptor[string]{Name: "list", Codec: text})
	require.ErrorIs(t, err, state.ErrStateMismatch)
	_, err = state.QueryValue(v, text, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()})
	require.ErrorIs(t, err, state.ErrStateMismatch)
	_, err = state.QueryValue(v, codec.Int[int64](), valueText)
	require.ErrorIs(t, err, state.ErrStateMismatch)
	_, err = state.QueryValue(v, text, state.ValueDescriptor[string]{Name: "value"})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = state.QueryValue[string](nil, text, valueText)
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = state.QueryValue[string](v, nil, valueText)
	require.ErrorIs(t, err, state.ErrInvalid)
	_, _, err = queriesOf(t, v).value.Get(keyIn(t, state.SubtaskKeyspace(0, 2, 128)), nil)
	require.ErrorIs(t, err, state.ErrKeyGroup)
	byKey := v.(backend.KeyView)
	for _, name := range []string{"late", "timers", "unheard of"} {
		key := append(backend.AppendHeader(nil, v.Keyspace().Groups.First, backend.IDOf(name)), 0, 1, 0, 1)
		_, ok, err := byKey.Get(key, nil)
		require.False(t, ok)
		require.ErrorIs(t, err, state.ErrUnknownState, name)
		require.ErrorIs(t, byKey.ScanPrefix(key, key, nil), state.ErrUnknownState, name)
	}
}

func queriesAfterClose(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.at("k")
	p.fill("x")
	v := viewOf(t, p)
	q := queriesOf(t, v)
	want, err := q.contents("k", "")
	require.NoError(t, err)
	require.NoError(t, p.backend.Close())
	got, err := q.contents("k", "")
	require.NoError(t, err, "views stay readable when their backend is closed")
	require.Equal(t, want, got)
	seen := 0
	for _, err := range q.entries.All("k", nil) {
		require.NoError(t, err)
		seen++
		v.Close()
		_, _, err = q.value.Get("k", nil)
		require.ErrorIs(t, err, state.ErrClosed)
	}
	require.Equal(t, 2, seen, "a read that began before Close completes")
	_, _, err = q.value.Get("k", nil)
	require.ErrorIs(t, err, state.ErrClosed)
	_, _, err = q.list.Get("k", nil)
	require.ErrorIs(t, err, state.ErrClosed)
	_, _, err = q.entries.Get("k", nil, "k")
	require.ErrorIs(t, err, state.ErrClosed)
	require.ErrorIs(t, lastError(q.entries.All("k", nil)), state.ErrClosed)
}
