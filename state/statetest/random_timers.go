package statetest

import (
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// domain draws a domain.
func (w *world) domain() state.Domain { return domains[w.rng.IntN(len(domains))] }

// stepTimer registers or deletes a timer.
func (w *world) stepTimer() {
	t := timer{w.domain(), fired{int64(w.rng.IntN(worldTime)), w.key(), w.namespace()}}
	p := w.makeCurrent(t.key)
	if w.rng.IntN(3) > 0 {
		w.note("register %v %v", t.domain, t.fired)
		require.NoError(w.t, p.timers.Register(t.domain, t.at, []byte(t.namespace)))
		w.model.timers[t] = true
		return
	}
	w.note("delete %v %v", t.domain, t.fired)
	require.NoError(w.t, p.timers.Delete(t.domain, t.at, []byte(t.namespace)))
	delete(w.model.timers, t)
}

// stepAdvance fires timers of a subtask. The callback takes random steps and sometimes fails.
func (w *world) stepAdvance() {
	s := w.subtasks[w.rng.IntN(len(w.subtasks))]
	owned := func(key string) bool { return w.owns(s, key) }
	d, now := w.domain(), int64(w.rng.IntN(worldTime/2))
	w.note("advance %v of %v to %d", d, s.backend().Registry().Keyspace().Groups, now)
	extra := 30
	err := s[w.rng.IntN(2)].fire(d, now, func(got state.Timer[string]) error {
		f := fired{got.Timestamp, got.Key, string(got.Namespace)}
		w.note("%v fires", f)
		due := w.model.due(d, owned)
		require.NotEmpty(w.t, due)
		require.Equal(w.t, due[0], f)
		delete(w.model.timers, timer{d, f})
		if extra--; extra > 0 && w.rng.IntN(3) == 0 {
			w.stepTimer()
		}
		if w.rng.IntN(5) == 0 {
			w.stepValue()
		}
		if w.rng.IntN(50) == 0 {
			w.note("the callback fails")
			return errRefused
		}
		return nil
	})
	if err != nil {
		require.True(w.t, err == errRefused, "got %v", err)
		return
	}
	if due := w.model.due(d, owned); len(due) > 0 {
		require.Greater(w.t, due[0].at, now)
	}
}
