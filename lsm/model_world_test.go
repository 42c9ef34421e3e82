package lsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// world is the store of a program, its model, and its open views, iterators and checkpoints.
type world struct {
	o     modelOptions
	dice  programs.Dice // draws the program
	mem   *vfstest.Mem  // the disk of the store; nil if the store is on a real disk
	root  string
	dir   string // directory of the store
	dirs  int    // number of directories created so far
	db    *DB
	model *modelState

	views       []*modelView
	scans       []*modelScan
	cursors     []*modelCursor
	checkpoints []modelCheckpoint

	// States that a crash may leave. See crash.
	ends    map[uint64]*modelState // by run: the state at the end of the run
	history []*modelState          // the state after each operation since the store was opened
	flushed int                    // index in history of the oldest state that a crash may leave
	safeRun uint64                 // the newest run that is known to be flushed

	log       func(string, ...any)
	mu        sync.Mutex
	violation error // guarded by mu: workers report too
	seen      *modelCounts

	ownsBudget bool // newWorld created the shared budget, end closes it
}

// modelCounts counts events. A test that saw too few of them proves nothing.
type modelCounts struct {
	Operations, Flushes, Compactions, Crashes, Lost, Checkpoints, Restores, Reopened, Large, Gaps, Lacked, Sources int64
}

func newWorld(o modelOptions, root string, log func(string, ...any), seen *modelCounts) *world {
	w := &world{o: o, root: root, model: newModelState(), log: log, seen: seen}
	w.mem, _ = o.FS.(*vfstest.Mem)
	if w.o.shared && w.o.Budget == nil {
		w.ownsBudget = true
		w.o.Budget = NewBudget(8 << 20)
		w.o.Budget.LimitOpenFiles(2)
	}
	w.o.Events = Events{
		FlushFailed:      w.reportFailure("flush"),
		CompactionFailed: w.reportFailure("compaction"),
		LeftBehind:       w.reportFailure("removal"),
		Failed:           w.reportFailure("store"),
		TableRemoved: func(i TableInfo) {
			if i.Err != nil {
				w.violate("table not removed: %v", i.Err)
			}
		},
	}
	w.dir = w.newDir()
	return w
}

// isSealedByOthers reports whether stores of other programs may seal this store's memtables. The
// world then does not know the state at the end of each run.
func (w *world) isSealedByOthers() bool { return w.o.Budget != nil && !w.ownsBudget }

func (w *world) reportFailure(what string) func(error) {
	return func(err error) { w.violate("%s failed: %v", what, err) }
}

func (w *world) newDir() string {
	w.dirs++
	return filepath.Join(w.root, fmt.Sprint("dir-", w.dirs))
}

// violate records a violation. The first violation is kept.
func (w *world) violate(format string, arguments ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.violation == nil {
		w.violation = fmt.Errorf(format, arguments...)
	}
}

func (w *world) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.violation
}

// must records a violation if err is not nil, and reports whether err is nil.
func (w *world) must(what string, err error) bool {
	if err != nil {
		w.violate("%s: %v", what, err)
	}
	return err == nil
}

// open opens the store. Its content must equal the model.
func (w *world) open() {
	if w.openDB("open") {
		w.begin()
	}
}

// openDB opens the store with newly drawn options.
func (w *world) openDB(what string) bool {
	w.o.redraw(w.dice)
	w.log("open: %v", &w.o)
	options := w.o.Options
	db, err := Open(context.Background(), w.dir, options)
	if w.must(what, err) {
		w.db = db
		db.gaps.MinDead, db.gaps.ExploreEvery = 1, 1 // programs are too short for the defaults
	}
	return err == nil
}

// begin makes the current model the only state that a crash may leave. It is called after the store
// was opened.
func (w *world) begin() {
	w.ends = map[uint64]*modelState{w.db.flushedRun: w.model.clone()}
	w.safeRun = w.db.flushedRun
	w.history, w.flushed = []*modelState{w.model.clone()}, 0
}

func (w *world) activeRun() uint64 {
	w.db.lock.Lock()
	defer w.db.lock.Unlock()
	return w.db.activeRun
}

// write calls do, which must return expected, and on success applies change to the model. Runs that
// do seals end with the state before the operation, except for a large write, which has its own
// run: see recordLargeRun.
func (w *world) write(what string, expected error, do func() error, change func()) {
	w.log("%s", what)
	before, run := w.model.clone(), w.activeRun()
	err := do()
	if !errors.Is(err, expected) || expected == nil && err != nil {
		w.violate("%s: %v instead of %v", what, err, expected)
		return
	}
	if err == nil {
		change()
		if w.o.Log != LogBuffered && w.o.Log != LogWritten {
			w.history, w.flushed = w.history[:0], 0
		}
		w.history = append(w.history, w.model.clone())
	}
	w.recordEnds(run, before, w.activeRun())
}

func (w *world) recordEnds(from uint64, before *modelState, to uint64) {
	for ; from < to; from++ {
		w.ends[from] = before
	}
}

// sealed calls do, which may seal runs and must not change rows.
func (w *world) sealed(do func() error) error {
	run := w.activeRun()
	err := do()
	w.recordEnds(run, w.model.clone(), w.activeRun())
	return err
}

// recordFlushed records that all operations so far are flushed: no crash may undo them.
func (w *world) recordFlushed() {
	w.safeRun, w.flushed = w.activeRun()-1, len(w.history)-1
}

// close closes the store. With probability 1/3 it closes views and iterators only after the store;
// leftOpen reports whether any were open at that time.
func (w *world) close() (leftOpen bool) {
	leftOpen = w.dice.IntN(3) == 0 && len(w.views)+len(w.scans)+len(w.cursors) > 0
	if !leftOpen {
		w.closeAll()
	}
	w.log("close, views or iterators left open: %v", leftOpen)
	counted := leftOpen && (len(w.views)+len(w.scans) > 0 ||
		slices.ContainsFunc(w.cursors, func(c *modelCursor) bool { return c.walk.pinned }))
	err := w.db.Close()
	if counted != errors.Is(err, ErrOpen) || !counted && err != nil {
		w.violate("close: %v", err)
	}
	if leftOpen {
		w.requireClosed()
		w.closeAll()
	}
	return leftOpen
}

// requireClosed checks that views and iterators return ErrClosed after the store was closed.
func (w *world) requireClosed() {
	for _, v := range w.views {
		if _, _, err := v.Get(nil, nil); !errors.Is(err, ErrClosed) {
			w.violate("a view of a closed store returned %v, not ErrClosed", err)
		}
	}
	for _, s := range w.scans {
		if s.Next() || !errors.Is(s.Err(), ErrClosed) {
			w.violate("a scan of a closed store returned %v, not ErrClosed", s.Err())
		}
	}
	for _, c := range w.cursors {
		if c.Next() || !errors.Is(c.Err(), ErrClosed) {
			w.violate("a cursor of a closed store returned %v, not ErrClosed", c.Err())
		}
	}
	w.must("close again", w.db.Close())
}

func (w *world) closeAll() {
	for _, v := range w.views {
		w.must("close a view", v.Close())
	}
	for _, s := range w.scans {
		w.must("close a scan", s.Close())
	}
	for _, c := range w.cursors {
		w.must("close a cursor", c.Close())
	}
	w.views, w.scans, w.cursors = nil, nil, nil
}

// end closes the store, its views and iterators, and the budget if the world owns it.
func (w *world) end() {
	if w.db == nil {
		return
	}
	m := w.db.Metrics()
	w.seen.Flushes += m.Flushes
	w.seen.Compactions += m.Compactions
	w.closeAll()
	w.must("close", w.db.Close())
	w.db = nil
	if w.ownsBudget && w.failed() == nil {
		if used := w.o.Budget.slabs.Used(); used > w.o.Budget.Limit() {
			w.violate("%d bytes of the budget are still in use after all stores were closed", used)
		}
		w.o.Budget.Close()
	}
}
