package lsm

import (
	"context"
	"sync"

	"github.com/weirstate/weir/run"
)

// sealWith gives the store a source of random entries. Until the source may be flushed, live reads see
// the store without it, but with later writes; views and later states have it.
func (w *world) sealWith() {
	if w.o.Log != LogOff || w.isSealedByOthers() {
		return // the state at the end of each run must be known
	}
	entries, ops := w.sourceEntries()
	live, first := w.model.clone(), w.activeRun()
	release := make(chan struct{})
	end := sync.OnceFunc(func() { close(release) })
	defer end()
	s := sourceOf(entries...)
	s.before = func(int) error { <-release; return nil }
	w.log("seal with %d entries: %v", len(entries), ops)
	number, err := w.db.SealWith(s)
	if !w.must("seal with a source", err) {
		return
	}
	w.seen.Sources++
	w.recordEnds(first, live, number)
	for _, op := range ops {
		w.model.apply(w.o.Split, op)
	}
	w.ends[number] = w.model.clone()
	w.openView()
	for range w.dice.IntN(6) {
		if !w.hasRoom() {
			break
		}
		w.writeBesidesSource(live)
	}
	end()
	if w.must("wait for a source", w.db.WaitFlushed(context.Background(), number)) {
		w.safeRun = max(w.safeRun, number)
	}
	w.checkGaps()
}

// sourceEntries returns the entries of a source and operations that have the same result.
func (w *world) sourceEntries() ([]run.Entry, []modelOp) {
	var ops []modelOp
	var operations []operation
	for range w.dice.IntN(8) {
		op := w.op()
		if w.expected(op) == nil && len(op.value) <= 100 {
			ops = append(ops, op)
			operations = append(operations, operation{op.kind, []byte(op.key), []byte(op.value)})
		}
	}
	entries := resolve(&w.o.Split, operations)
	for _, e := range entries {
		if e.Value.Size() > w.o.limit() {
			return nil, nil
		}
	}
	return entries, ops
}

// hasRoom reports whether a small write does not wait for a flush.
func (w *world) hasRoom() bool {
	w.db.lock.Lock()
	defer w.db.lock.Unlock()
	return len(w.db.versions.Current().Memory) < maxSealedRuns/2 && !w.db.mustWait()
}

// writeBesidesSource writes one row, and reads the store without its source, which must equal live with this
// write.
func (w *world) writeBesidesSource(live *modelState) {
	op := modelOp{kind: run.Delete, key: w.o.key(w.dice)}
	if w.dice.IntN(3) == 0 {
		op.kind, op.value = run.Set, "v"
	}
	do := func() error { return w.db.Delete([]byte(op.key)) }
	if op.kind == run.Set {
		do = func() error { return w.db.Put([]byte(op.key), []byte(op.value)) }
	}
	w.write(op.String(), w.expected(op), do, func() {
		w.model.apply(w.o.Split, op)
		live.apply(w.o.Split, op)
	})
	whole := w.model
	w.model = live
	w.get()
	w.floor()
	w.useCursors()
	w.checkGaps()
	w.model = whole
}
