package lsmstate

// inMemory returns the number of timers in memory.
func (q *timerQueue) inMemory() int { return q.memory.Len() - q.rests }

// keep adds a timer to memory.
func (q *timerQueue) keep(t timer) {
	q.memory.ReplaceOrInsert(t)
	if q.tier != nil {
		q.tier.Charge(t.bytes())
	}
}

// trim evicts timers if there is no tier and memory has too many.
func (q *timerQueue) trim() {
	if q.tier == nil && q.inMemory() > q.limit {
		q.evict(q.limit / 2)
	}
}

// forget removes a timer from memory.
func (q *timerQueue) forget(t timer) {
	q.memory.Delete(t)
	q.discharge(t)
}

// discharge gives the memory of a timer back to the tier.
func (q *timerQueue) discharge(t timer) {
	if q.tier != nil {
		q.tier.Charge(-t.bytes())
	}
}

// evictTimers examines a share of the timers in memory, those that fire last, and removes those that
// are installed. It keeps some that fire first.
func (b *Backend) evictTimers(share float64) {
	for _, service := range b.timers {
		for _, q := range service {
			q.evict(int(share * float64(q.inMemory())))
		}
	}
}

// evict examines a number of the last timers in memory, and removes those that the tree has. The
// rests of their groups begin there. It keeps the first batch of timers, so First makes progress.
func (q *timerQueue) evict(examined int) {
	examined = min(examined, q.inMemory()-q.batch)
	if examined <= 0 {
		return
	}
	var evicted []timer // in descending order
	q.memory.Descend(func(t timer) bool {
		if t.has(isRest) {
			return true
		}
		if q.tier == nil || q.tier.IsInstalled(t.epoch) {
			evicted = append(evicted, t)
		}
		examined--
		return examined > 0
	})
	for i := len(evicted) - 1; i >= 0; i-- { // a rest moves once, to the first timer of its group
		t := evicted[i]
		q.forget(t)
		if g := q.group(t.group); g.isComplete(t) {
			g.setRest(t)
		}
	}
}
