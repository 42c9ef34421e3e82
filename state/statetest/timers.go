package statetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

var domains = []state.Domain{state.EventTime, state.ProcessingTime}

// fired is a timer in the form that tests write: timestamp, key, namespace.
type fired struct {
	at             int64
	key, namespace string
}

func (f fired) String() string {
	return fmt.Sprintf("timer at %d of %q in %q", f.at, f.key, f.namespace)
}

// register registers timers.
func (p *program) register(d state.Domain, timers ...fired) {
	p.t.Helper()
	for _, f := range timers {
		p.at(f.key)
		require.NoError(p.t, p.timers.Register(d, f.at, []byte(f.namespace)))
	}
}

// maxFired is more than the number of timers that any test fires in one call of Advance.
const maxFired = 10_000

// errFiresForever is returned for a backend that fires a timer again and again, for example
// because Remove of its TimerQueue does nothing.
var errFiresForever = fmt.Errorf("one call of Advance has fired %d timers: TimerQueue.Remove must remove the timer that fires", maxFired)

// fire is Timers.Advance that ends with errFiresForever after maxFired timers.
func (p *program) fire(d state.Domain, now int64, fire func(state.Timer[string]) error) error {
	n := 0
	return p.timers.Advance(d, now, func(t state.Timer[string]) error {
		if n++; n > maxFired {
			return errFiresForever
		}
		return fire(t)
	})
}

// advance fires timers and returns them. It calls during, which may be nil, after each timer.
func (p *program) advance(d state.Domain, now int64, during func(fired)) (all []fired) {
	p.t.Helper()
	require.NoError(p.t, p.fire(d, now, func(timer state.Timer[string]) error {
		f := fired{timer.Timestamp, timer.Key, string(timer.Namespace)}
		all = append(all, f)
		current, ok := p.keyed.Key()
		require.True(p.t, ok)
		require.Equal(p.t, timer.Key, current)
		if during != nil {
			during(f)
		}
		return nil
	}))
	return all
}

// requireTimers checks the number of timers of a domain and the timestamp of the first one.
func (p *program) requireTimers(d state.Domain, n int, next int64) {
	p.t.Helper()
	got, err := p.timers.Len(d)
	require.NoError(p.t, err)
	require.Equal(p.t, n, got)
	first, ok, err := p.timers.Next(d)
	require.NoError(p.t, err)
	require.Equal(p.t, n > 0, ok)
	if n > 0 {
		require.Equal(p.t, next, first)
	}
}

// timerOperations lists the properties of timers.
var timerOperations = properties{
	{"at most one for a timestamp, key and namespace", timersAreUnique},
	{"they fire by timestamp, then encoded key, then namespace", timersFireInOrder},
	{"they fire if the timestamp is at or below now", timersFireUpToNow},
	{"the two domains are independent", timerDomainsApart},
	{"a deleted timer does not fire, deleting nothing is no error", timersDeleted},
	{"firing sets the current key, and the callback may write", firingMayWrite},
	{"timers registered while firing fire in the same call if they are due", timersRegisteredWhileFiring},
	{"a timer is removed before it fires and may be registered again", timersRegisteredAgain},
	{"timers deleted while firing do not fire", timersDeletedWhileFiring},
	{"an error of the callback ends the call and is returned unchanged", firingStopsOnError},
	{"one call may fire inside another", firingNested},
	{"the callback may keep its timer", firedTimersMayBeKept},
	{"restored timers fire like the original ones", timersRestored},
	{"handles share the timers", timersShared},
}

func timersAreUnique(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.requireTimers(state.EventTime, 0, 0)
	all := []fired{{5, "a", ""}, {5, "a", "n"}, {5, "b", ""}, {6, "a", ""}}
	for range 3 {
		p.register(state.EventTime, all...)
	}
	p.requireTimers(state.EventTime, 4, 5)
	require.Equal(t, all[:1], p.advance(state.EventTime, 5, nil)[:1])
	p.requireTimers(state.EventTime, 1, 6)
}

func timersFireInOrder(t *testing.T, h harness) {
	for _, d := range domains {
		p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(16)})
		var want []fired
		for _, at := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			for _, key := range []string{"", "a", "a\x00", "a\x00\xff", "a\x01", "ab", "b", "\xff"} {
				for _, namespace := range []string{"", "\x00", "a", "ab"} {
					want = append(want, fired{at, key, namespace})
				}
			}
		}
		for i := range want {
			p.register(d, want[(i*7+5)%len(want)])
		}
		require.Equal(t, want, p.advance(d, math.MaxInt64, nil))
		p.requireTimers(d, 0, 0)
	}
}

func timersFireUpToNow(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{10, "a", ""}, fired{11, "a", ""}, fired{12, "a", ""})
	require.Empty(t, p.advance(state.EventTime, 9, nil))
	require.Equal(t, []fired{{10, "a", ""}, {11, "a", ""}}, p.advance(state.EventTime, 11, nil))
	require.Empty(t, p.advance(state.EventTime, 11, nil), "a timer fires once")
	require.Empty(t, p.advance(state.EventTime, math.MinInt64, nil), "time may go back")
	p.requireTimers(state.EventTime, 1, 12)
}

func timerDomainsApart(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", ""}, fired{3, "a", ""})
	p.register(state.ProcessingTime, fired{1, "a", ""}, fired{2, "a", ""})
	p.at("a")
	require.NoError(t, p.timers.Delete(state.EventTime, 2, nil))
	require.Equal(t, []fired{{1, "a", ""}}, p.advance(state.EventTime, 2, nil))
	p.requireTimers(state.EventTime, 1, 3)
	p.requireTimers(state.ProcessingTime, 2, 1)
	require.ErrorIs(t, p.timers.Register(2, 1, nil), state.ErrInvalid)
	require.ErrorIs(t, p.timers.Delete(2, 1, nil), state.ErrInvalid)
	require.ErrorIs(t, p.timers.Advance(2, 1, nil), state.ErrInvalid)
	require.ErrorIs(t, p.timers.Advance(state.EventTime, 3, nil), state.ErrInvalid)
	p.requireTimers(state.EventTime, 1, 3)
}

func timersDeleted(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", "n"}, fired{1, "b", ""}, fired{2, "a", "n"})
	p.at("a")
	require.NoError(t, p.timers.Delete(state.EventTime, 1, []byte("n")))
	require.NoError(t, p.timers.Delete(state.EventTime, 1, []byte("n")))
	require.NoError(t, p.timers.Delete(state.EventTime, 1, nil), "another key's")
	require.NoError(t, p.timers.Delete(state.EventTime, 2, nil), "another namespace's")
	require.Equal(t, []fired{{1, "b", ""}, {2, "a", "n"}}, p.advance(state.EventTime, 9, nil))
}

func firingMayWrite(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for i := range 20 {
		p.register(state.EventTime, fired{int64(i / 3), fmt.Sprint(i), ""})
	}
	p.advance(state.EventTime, 9, func(f fired) {
		require.NoError(t, p.value.Set("of "+f.key))
		p.at("count")
		require.NoError(t, p.list.Add(f.key))
	})
	for i := range 20 {
		p.at(fmt.Sprint(i))
		requireValue(t, "of "+fmt.Sprint(i), p.value)
	}
	p.at("count")
	list, err := p.list.Get()
	require.NoError(t, err)
	require.Len(t, list, 20)
}

func timersRegisteredWhileFiring(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{5, "b", ""})
	got := p.advance(state.EventTime, 10, func(f fired) {
		switch f {
		case fired{5, "b", ""}:
			p.register(state.EventTime, fired{10, "b", ""}, fired{11, "b", ""}, fired{5, "a", ""}, fired{4, "c", ""}, fired{7, "a", ""})
		case fired{7, "a", ""}:
			p.register(state.EventTime, fired{8, "a", ""}, fired{7, "a", "again"})
		}
	})
	require.Equal(t, []fired{{5, "b", ""}, {4, "c", ""}, {5, "a", ""}, {7, "a", ""}, {7, "a", "again"}, {8, "a", ""}, {10, "b", ""}}, got)
	p.requireTimers(state.EventTime, 1, 11)
}

func timersRegisteredAgain(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{5, "a", ""})
	rounds := 0
	got := p.advance(state.EventTime, 5, func(f fired) {
		p.requireTimers(state.EventTime, 0, 0)
		if rounds++; rounds < 4 {
			p.register(state.EventTime, f)
		}
	})
	require.Equal(t, []fired{{5, "a", ""}, {5, "a", ""}, {5, "a", ""}, {5, "a", ""}}, got)
}

func timersDeletedWhileFiring(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", ""}, fired{1, "b", ""}, fired{2, "a", ""}, fired{2, "c", ""})
	got := p.advance(state.EventTime, 10, func(f fired) {
		if f == (fired{1, "a", ""}) {
			require.NoError(t, p.timers.Delete(state.EventTime, 2, nil))
			p.at("b")
			require.NoError(t, p.timers.Delete(state.EventTime, 1, nil))
		}
	})
	require.Equal(t, []fired{{1, "a", ""}, {2, "c", ""}}, got)
}

func firingStopsOnError(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", ""}, fired{2, "a", ""}, fired{3, "a", ""})
	err := p.fire(state.EventTime, 9, func(timer state.Timer[string]) error {
		if timer.Timestamp == 2 {
			return errRefused
		}
		return nil
	})
	require.True(t, err == errRefused, "got %v", err)
	p.requireTimers(state.EventTime, 1, 3)
}

func firingNested(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", ""}, fired{2, "a", ""}, fired{3, "a", ""})
	p.register(state.ProcessingTime, fired{1, "b", ""})
	var inner []fired
	outer := p.advance(state.EventTime, 9, func(fired) {
		inner = append(inner, p.advance(state.EventTime, 2, nil)...)
		inner = append(inner, p.advance(state.ProcessingTime, 9, nil)...)
	})
	require.Equal(t, []fired{{1, "a", ""}, {3, "a", ""}}, outer)
	require.Equal(t, []fired{{2, "a", ""}, {1, "b", ""}}, inner)
}

func firedTimersMayBeKept(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", "n"}, fired{2, "b", "m"}, fired{3, "c", "l"})
	var kept []state.Timer[string]
	require.NoError(t, p.fire(state.EventTime, 9, func(timer state.Timer[string]) error {
		kept = append(kept, timer)
		return nil
	}))
	require.Equal(t, []state.Timer[string]{
		{Timestamp: 1, Key: "a", Namespace: []byte("n")},
		{Timestamp: 2, Key: "b", Namespace: []byte("m")},
		{Timestamp: 3, Key: "c", Namespace: []byte("l")},
	}, kept)
	p.register(state.EventTime, fired{4, "d", ""})
	require.NoError(t, p.fire(state.EventTime, 9, func(timer state.Timer[string]) error {
		require.Nil(t, timer.Namespace, "the void namespace")
		return nil
	}))
}

func timersRestored(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	want := map[state.Domain][]fired{}
	for _, d := range domains {
		for i := range 200 {
			f := fired{int64(i*7%50) - 25, fmt.Sprint(i % 13), fmt.Sprint(i % 3)}
			p.register(d, f)
		}
	}
	p.at("0")
	require.NoError(t, p.timers.Delete(state.EventTime, -25, []byte("0")))
	q := h.restoredFrom(t, p)
	for _, d := range domains {
		want[d] = p.advance(d, 100, nil)
		n, err := q.timers.Len(d)
		require.NoError(t, err)
		require.Equal(t, len(want[d]), n)
		require.Equal(t, want[d], q.advance(d, 100, nil))
	}
	require.Len(t, want[state.EventTime], len(want[state.ProcessingTime])-1)
	require.True(t, q.backend.Empty())
}

func timersShared(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	q := programOn(t, p.backend)
	p.register(state.EventTime, fired{1, "a", ""})
	q.register(state.EventTime, fired{1, "a", ""}, fired{2, "a", ""})
	p.at("elsewhere")
	require.Equal(t, []fired{{1, "a", ""}, {2, "a", ""}}, q.advance(state.EventTime, 5, nil))
	p.requireTimers(state.EventTime, 0, 0)
	key, ok := p.keyed.Key()
	require.True(t, ok)
	require.Equal(t, "elsewhere", key, "firing sets the current key of its own Keyed only")
}
