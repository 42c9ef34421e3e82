package checkpoint

import "errors"

// simWitness is the Tasks of one attempt in a simulation. It compares the calls with the model.
type simWitness struct {
	s         *simulation
	number    AttemptID
	triggered []ID
	lastID    ID // newest checkpoint of this attempt, or the restored one
	latest    ID // newest complete checkpoint
}

// checkpoint returns the model's record of the checkpoint that a call names.
func (w *simWitness) checkpoint(call string, id ID) *simCheckpoint {
	s := w.s
	s.logf("call: %s %d", call, id)
	cp := s.checkpoints[simKey{id, w.number}]
	if w != s.witness {
		s.violate("fenced attempt %d gets the call: %s %d", w.number, call, id)
	}
	if cp == nil || cp.ended {
		s.violate("%s %d of attempt %d, which is not in progress", call, id, w.number)
		return &simCheckpoint{was: newMoment(0)}
	}
	return cp
}

func (w *simWitness) Trigger(t Trigger) {
	w.s.checkpoints[simKey{t.ID, w.number}] = &simCheckpoint{was: newMoment(len(w.s.tasks))}
	w.checkpoint("trigger", t.ID)
	if t.ID <= w.lastID || t.Base != w.latest {
		w.s.violate("checkpoint %d on %d after %d, newest complete is %d", t.ID, t.Base, w.lastID, w.latest)
	}
	w.lastID = t.ID
	w.triggered = append(w.triggered, t.ID)
}

func (w *simWitness) Complete(stats Stats) {
	cp := w.checkpoint("complete", stats.ID)
	if cp.was.missing > 0 || cp.acknowledged != len(w.s.tasks) || stats.ID <= w.latest {
		w.s.violate("checkpoint %d is reported complete too early", stats.ID)
	}
	cp.ended = true
	w.latest, w.s.newest = stats.ID, stats.ID
	w.s.reported++
	w.s.seen.Complete++
}

func (w *simWitness) Aborted(id ID, reason error) {
	cp := w.checkpoint("aborted", id)
	cp.ended, cp.failed = true, true
	w.s.seen.Aborted++
	if reason == nil {
		w.s.violate("checkpoint %d was aborted for no reason", id)
	}
}

func (w *simWitness) Fail(err error) {
	if w != w.s.witness || !errors.Is(err, ErrTooManyFailures) {
		w.s.violate("attempt %d is asked to fail: %v", w.number, err)
	}
}

// checkAllEnded checks that every checkpoint has failed or become complete.
func (w *simWitness) checkAllEnded() {
	if w == nil {
		return
	}
	for _, id := range w.triggered {
		if !w.s.checkpoints[simKey{id, w.number}].ended {
			w.s.violate("checkpoint %d has neither failed nor become complete", id)
		}
	}
}
