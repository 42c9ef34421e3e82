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

// storySplit ends the prefix of a key after its first colon. The first byte is the partition.
var storySplit = Split{Name: "story", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// storyState is the content of a store: its keys with their values.
type storyState map[string]string

// story is a fixed program for one store, and the states that the store may have. Each step calls
// the store and records how the state changes: which state reads must return, and which states a
// crash may leave. The tests play the same stories with a crash after each file operation
// (crash_test.go), with a fault at each file operation (fault_test.go), on disks of any size and with
// any damage. The workers of the store run concurrently; a story allows every state that they can
// produce.
type story struct {
	o    Options
	db   *DB
	view *View
	// viewed is the expected content of view.
	viewed storyState

	deadline time.Time // waiting steps fail after this time

	// manifestBytes is the size at which the store starts a new manifest; 0 means the default.
	manifestBytes int64

	// compactionFailed is set when a compaction fails.
	compactionFailed atomic.Bool

	mu     sync.Mutex   // guards the fields below: crashes also happen on the workers of the store
	states []storyState // the content after each write; states[0] is empty; maps are never changed
	acked  int          // index of the state after the newest write that succeeded
	kept   int          // index of the oldest state that a crash may leave
	seals  map[int]bool // indexes of states at which a run may have ended
	failed bool         // a write returned ErrFailed: reads may return the state before or after it
	// refused are the states after writes that failed since the last successful write. Reads do not
	// return them, but the log may have such a write, so a crash may leave its state.
	refused []storyState
	copies  []storyCopy
	wrong   error // the first violation
}

// storyCopy is a checkpoint of the store, or a store restored from checkpoints.
type storyCopy struct {
	dir   string
	state storyState
	done  bool // the call that makes the copy has succeeded
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
		states: []storyState{{}}, seals: map[int]bool{0: true}, deadline: await.Deadline(t),
	}
	s.o.Events.CompactionFailed = func(error) { s.compactionFailed.Store(true) }
	return s
}

// storyLarge is just above a sixteenth of storyBudget: such a value gets its own file.
const storyLarge = 8<<20/16 + 1

// play runs steps until one fails.
func (s *story) play(steps []storyStep) error {
	for i, step := range steps {
		if err := step(s); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// write calls do, which writes to the store, and records the state that change makes.
func (s *story) write(change func(storyState), do func(*DB) error) error {
	s.mu.Lock()
	before := len(s.states) - 1
	wasSeal := s.seals[before]
	if !s.failed {
		next := maps.Clone(s.states[before])
		change(next)
		s.states = append(s.states, next)
		s.seals[before], s.seals[before+1] = true, true // until do returns, a run may end before or after the write
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
			s.violate(fmt.Errorf("a write after ErrFailed returned: %w", err))
		}
	case errors.Is(err, ErrFailed):
		s.failed = true
	case err != nil: // the store has refused the write
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

// durable calls do; after its success a crash loses no earlier write.
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

// copyTo calls do, which makes another store in dir, and records that store's expected content.
func (s *story) copyTo(dir string, state storyState, do func() error) error {
	s.mu.Lock()
	// The new attempt replaces a failed copy in the same directory.
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

// current is the state after the newest successful write.
func (s *story) current() storyState { return s.states[s.acked] }

// allowed returns the states that reads may return.
func (s *story) allowed() []storyState {
	if s.failed {
		return []storyState{s.current(), s.states[len(s.states)-1]}
	}
	return []storyState{s.current()}
}

// found returns the allowed state that the store has, found by reads.
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

// isAllowed reports whether reads may return the content got.
func (s *story) isAllowed(got storyState) bool {
	return slices.ContainsFunc(s.allowed(), func(state storyState) bool { return maps.Equal(got, state) })
}

// recordPossibleSeal records that a run may end at the current state.
func (s *story) recordPossibleSeal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seals[len(s.states)-1] = true
}
