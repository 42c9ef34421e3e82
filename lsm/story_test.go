package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/vfs"
)

// storySplit cuts keys behind their first colon. Partitions are the first byte.
var storySplit = Split{Name: "story", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// storyState is the content of a store: its keys with their values.
type storyState map[string]string

// story is a fixed program for one store, and the states that the store may have. Its steps are
// functions that call the store and record in the story how the state changes: after each write,
// which states a crash may leave, and which one reads must return. The tests play the same stories
// with a crash after each file operation (crash_test.go), with a fault at each file operation
// (fault_test.go), on disks of any size and with any damage. The workers
// of the store run at the same time; a story allows every state that they can produce.
type story struct {
	o    Options
	db   *DB
	view *View
	// viewed is the state that view has.
	viewed storyState

	hang time.Time // the test ends, whatever it waits for

	// manifestBytes is the size at which manifests are written anew, 0 for the
	// usual one.
	manifestBytes int64

	// compactionFailed is set by a compaction that has failed.
	compactionFailed atomic.Bool

	mu     sync.Mutex   // guards what follows: the store's workers make crashes too
	states []storyState // after each write, the first of an empty store; never changed
	acked  int          // the state after the newest write that has returned
	kept   int          // a crash must not go back behind this state
	seals  map[int]bool // states at which a run may have ended
	failed bool         // a write was ErrFailed: the last state may be or not
	// refused are states that writes since the last one that returned would have made.
	// They are not visible, but the log may have one: a crash may bring it.
	refused []storyState
	copies  []storyCopy
	wrong   error // what must not be, the first
}

// storyCopy is a checkpoint of the store, or a store restored from checkpoints.
type storyCopy struct {
	dir   string
	state storyState
	done  bool // it was said to be there
}

// storyStep does one operation of a story and records its effect.
type storyStep func(*story) error

const storyDir = "stores/db"

func newStory(t testing.TB, fsys vfs.FS, mode LogMode, memtableBytes int64) *story {
	s := &story{
		o: Options{
			FS: fsys, Log: mode, Split: storySplit, PartitionBytes: 1, MemtableBytes: memtableBytes,
			FileBytes: 700, BlockBytes: 512, Compression: []Compression{NoCompression}, Budget: storyBudget(t),
		},
		states: []storyState{{}}, seals: map[int]bool{0: true}, hang: await.Deadline(t),
	}
	s.o.Events.CompactionFailed = func(error) { s.compactionFailed.Store(true) }
	return s
}

// storyLarge is above a sixteenth of storyBudget.
const storyLarge = 8<<20/16 + 1

// play takes steps until one fails.
func (s *story) play(steps []storyStep) error {
	for i, step := range steps {
		if err := step(s); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// write is a step that changes the state.
func (s *story) write(change func(storyState), do func(*DB) error) error {
	s.mu.Lock()
	before := len(s.states) - 1
	wasSeal := s.seals[before]
	if !s.failed {
		next := maps.Clone(s.states[before])
		change(next)
		s.states = append(s.states, next)
		s.seals[before], s.seals[before+1] = true, true // while nothing is known
	}
	wasFailed := s.failed
	s.mu.Unlock()
	runBefore := s.activeRun()
	err := do(s.db)
	sealed := s.activeRun() > runBefore
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case wasFailed:
		if !errors.Is(err, ErrFailed) {
			s.violate(fmt.Errorf("a write after ErrFailed: %w", err))
		}
	case errors.Is(err, ErrFailed):
		s.failed = true
	case err != nil: // it has not happened
		if s.o.Log != LogOff {
			s.refused = append(s.refused, s.states[before+1])
		}
		s.states = s.states[:before+1]
		delete(s.seals, before+1)
	default:
		s.refused = nil
		s.acked = before + 1
		s.seals[before] = wasSeal || sealed
		s.seals[before+1] = sealed && s.db.activeIsEmpty()
		if s.o.Log == LogSynced {
			s.kept = s.acked
		}
	}
	return err
}

func (s *story) activeRun() uint64 {
	s.db.lock.Lock()
	defer s.db.lock.Unlock()
	return s.db.activeRun
}

func (db *DB) activeIsEmpty() bool {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.active.Len() == 0
}

// durable is a step after which a crash loses nothing of what was written.
func (s *story) durable(do func(*DB) error) error {
	s.mu.Lock()
	s.seals[len(s.states)-1] = true
	s.mu.Unlock()
	err := do(s.db)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.kept = s.acked
	}
	return err
}

// copyTo is a step that makes another store.
func (s *story) copyTo(dir string, state storyState, do func() error) error {
	s.mu.Lock()
	// A failed copy is tried again.
	s.copies = slices.DeleteFunc(s.copies, func(c storyCopy) bool { return c.dir == dir && !c.done })
	at := len(s.copies)
	s.copies = append(s.copies, storyCopy{dir: dir, state: state})
	s.mu.Unlock()
	err := do()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies[at].done = err == nil
	return err
}

func (s *story) violate(err error) {
	if s.wrong == nil {
		s.wrong = err
	}
}

// current is the state as far as it is known.
func (s *story) current() storyState { return s.states[s.acked] }

// allowed are the states that reads may give.
func (s *story) allowed() []storyState {
	if s.failed {
		return []storyState{s.current(), s.states[len(s.states)-1]}
	}
	return []storyState{s.current()}
}

// found is the state of those allowed that a store has. Reads do not change what
// a failed store has.
func (s *story) found() storyState {
	if got, err := contentOf(s.db); err == nil {
		for _, state := range s.allowed() {
			if maps.Equal(got, state) {
				return state
			}
		}
	}
	return s.current()
}

// isAllowed reports whether reads may give a state.
func (s *story) isAllowed(got storyState) bool {
	return slices.ContainsFunc(s.allowed(), func(state storyState) bool { return maps.Equal(got, state) })
}

// mayEnd notes that a run may end now.
func (s *story) mayEnd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seals[len(s.states)-1] = true
}
