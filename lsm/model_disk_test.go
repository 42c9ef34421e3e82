package lsm

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// modelCheckpoint is a checkpoint of the store and the state that it must contain.
type modelCheckpoint struct {
	dir   string
	state *modelState
}

func (w *world) flush() {
	w.log("flush")
	if w.must("flush", w.sealed(func() error { return w.db.Flush(context.Background()) })) {
		w.recordFlushed()
	}
}

// syncLog syncs the log; without a log it must return ErrNoLog.
func (w *world) syncLog() {
	w.log("sync log")
	err := w.sealed(w.db.SyncLog)
	if w.o.Log == LogOff {
		if !errors.Is(err, ErrNoLog) {
			w.violate("sync log: %v instead of %v", err, ErrNoLog)
		}
		return
	}
	if w.must("sync log", err) {
		w.history, w.flushed = []*modelState{w.model.clone()}, 0
	}
}

func (w *world) compact() {
	w.log("compact")
	if w.must("compact", w.sealed(func() error { return w.db.Compact(context.Background()) })) {
		w.recordFlushed()
	}
}

func (w *world) seal() {
	w.log("seal")
	w.must("seal", w.sealed(w.db.Seal))
}

// countWork adds the flushes and compactions of the open store to the totals of the test. It must
// be called before the store is closed.
func (w *world) countWork() {
	m := w.db.Metrics()
	w.seen.Flushes += m.Flushes
	w.seen.Compactions += m.Compactions
}

// reopen closes the store, sometimes checks it, and opens it again.
func (w *world) reopen() {
	w.seen.Reopened++
	w.countWork()
	leftOpen := w.close()
	if w.dice.IntN(2) == 0 {
		w.check(w.dir, leftOpen) // an iterator that is still open keeps obsolete files
	}
	w.open()
}

// check requires that Check finds no fault in a closed store, and no leftover files unless they are
// allowed.
func (w *world) check(dir string, leftovers bool) {
	w.log("check")
	report, err := Check(context.Background(), dir, w.o.Options)
	if w.must("check", err) && len(report.Leftovers) > 0 && !leftovers {
		w.violate("check: found leftover files %v", report.Leftovers)
	}
}

// crash simulates a power cut. The reopened store must have the state of one moment:
//   - LogOff: the end of the newest flushed run
//   - LogSynced, or LogWritten if the system kept all data: the current state
//   - otherwise: the state after any operation since the last flush
func (w *world) crash() {
	if w.mem == nil || w.isSealedByOthers() && w.o.Log == LogOff {
		return
	}
	w.seen.Crashes++
	keep := chosen(w.dice, 0, 0.5, 0.9, 1)
	w.log("crash, log %d, keeps %v", w.o.Log, keep)
	crashed := w.mem.CrashClone(vfstest.CrashOptions{Keep: keep, Rand: rand.New(rand.NewPCG(w.dice.Uint64(), 0))})
	w.countWork()
	w.closeAll()
	w.must("close", w.db.Close())
	mode, before := w.o.Log, w.model
	w.mem, w.o.FS = crashed, crashed
	run, err := flushedIn(crashed, w.dir)
	if !w.must("read the manifest", err) {
		return
	}
	if !w.openDB("open after a crash") {
		return
	}
	rows, err := storeRows(w.db)
	if !w.must("read after a crash", err) {
		return
	}
	if w.model = w.survivor(mode, keep == 1, run, rows); w.model == nil {
		w.model = before
		return
	}
	if w.model.rows.Len() != before.rows.Len() {
		w.seen.Lost++
	}
	w.begin()
}

// flushedIn returns the newest flushed run according to the manifest of a store.
func flushedIn(fsys vfs.FS, dir string) (run uint64, err error) {
	c, _, err := manifest.Read(context.Background(), fsys, dir)
	if err != nil {
		return 0, err
	}
	return c.Flushed, nil
}

// survivor returns the state that equals rows if a crash may leave it, see crash. Otherwise it
// records a violation and returns nil. killed means that all data passed to the system survived.
func (w *world) survivor(mode LogMode, killed bool, run uint64, rows []modelRow) *modelState {
	var candidates []*modelState
	switch {
	case mode == LogSynced, mode == LogWritten && killed:
		candidates = w.history[len(w.history)-1:]
	case mode != LogOff:
		candidates = w.history[w.flushed:]
	default:
		state, ok := w.ends[run]
		if !ok || run < w.safeRun {
			w.violate("after a crash the newest run is %d; run %d or a later seal was expected", run, w.safeRun)
			return nil
		}
		candidates = []*modelState{state}
	}
	for i := len(candidates) - 1; i >= 0; i-- {
		if c := candidates[i]; c.rows.Len() == len(rows) && c.difference(rows) == "" {
			return c.clone()
		}
	}
	w.violate("after a crash with log %d the content matches none of the %d allowed states; difference from the last: %s", mode, len(candidates), candidates[len(candidates)-1].difference(rows))
	return nil
}

// checkpoint writes a checkpoint of the store or of a view.
func (w *world) checkpoint() {
	c := modelCheckpoint{w.newDir(), w.model.clone()}
	w.seen.Checkpoints++
	if len(w.views) > 0 && w.dice.IntN(2) == 0 {
		v := w.views[w.dice.IntN(len(w.views))]
		c.state = v.state
		w.log("checkpoint of a view in %s", c.dir)
		w.must("checkpoint of a view", v.Checkpoint(context.Background(), c.dir))
	} else {
		w.log("checkpoint in %s", c.dir)
		if w.must("checkpoint", w.sealed(func() error { return w.db.Checkpoint(context.Background(), c.dir) })) {
			w.recordFlushed()
		}
	}
	w.checkpoints = append(w.checkpoints, c)
	if len(w.checkpoints) > 3 {
		w.must("remove", w.o.FS.RemoveAll(w.checkpoints[0].dir))
		w.checkpoints = w.checkpoints[1:]
	}
	if w.dice.IntN(3) == 0 {
		w.verify(c)
	}
}

// verify opens a checkpoint and checks that its files do not change.
func (w *world) verify(c modelCheckpoint) {
	w.check(c.dir, false)
	options := w.o.Options
	options.Log = LogOff
	options.Picker = nil
	db, err := Open(context.Background(), c.dir, options)
	if !w.must("open "+c.dir, err) {
		return
	}
	rows, err := storeRows(db)
	if w.must("read "+c.dir, err) {
		if d := c.state.difference(rows); d != "" {
			w.violate("%s: %s", c.dir, d)
		}
	}
	w.must("close "+c.dir, db.Close())
}

// restore replaces the store by one that Restore assembles from two checkpoints: the partitions
// below a bound from the first and the other partitions from the second.
func (w *world) restore() {
	if len(w.checkpoints) == 0 {
		return
	}
	w.seen.Restores++
	w.countWork()
	w.close()
	bound := w.o.partition(w.dice)
	low := chosen(w.dice, w.checkpoints...)
	high := chosen(w.dice, w.checkpoints...)
	w.log("restore %s below %q and %s above", low.dir, bound, high.dir)
	if len(bound) == 0 {
		w.dir, w.model = w.part(low, nil, nil)
		w.open()
		return
	}
	lowDir, lowState := w.part(low, nil, bound)
	highDir, highState := w.part(high, bound, nil)
	if w.failed() != nil {
		return
	}
	w.dir, w.model = w.newDir(), lowState
	for _, r := range highState.all() {
		w.model.put(r.key, r.value)
	}
	parts := []Part{{Dir: highDir, From: bound}, {Dir: lowDir, To: bound}}
	w.must("restore", Restore(context.Background(), w.dir, parts, w.o.Options))
	w.open()
}

// part restores the partitions of a checkpoint in [from, to) as a store and writes a few more rows to it.
func (w *world) part(c modelCheckpoint, from, to []byte) (dir string, state *modelState) {
	state = newModelState()
	for _, r := range c.state.within(string(from), text(to), nil) {
		state.put(r.key, r.value)
	}
	dir = w.newDir()
	w.must("restore a part", Restore(context.Background(), dir, []Part{{Dir: c.dir, From: from, To: to}}, w.o.Options))
	w.verify(modelCheckpoint{dir, state})
	options := w.o.Options
	options.Log = LogOff
	db, err := Open(context.Background(), dir, options)
	if !w.must("open a part", err) {
		return dir, state
	}
	for range w.dice.IntN(5) {
		op := w.op()
		if !strings.HasPrefix(op.key, string(from)) && op.key < string(from) || to != nil && op.key >= string(to) || w.expected(op) != nil {
			continue
		}
		w.log("  in %s: %v", dir, op)
		var b Batch
		b.add(op.kind, []byte(op.key), []byte(op.value))
		w.must("write to a part", db.Apply(&b))
		state.apply(w.o.Split, op)
	}
	if w.dice.IntN(2) == 0 {
		w.must("compact a part", db.Compact(context.Background()))
	}
	w.must("close a part", db.Close())
	return dir, state
}
