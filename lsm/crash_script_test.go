package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/internal/vfs"
)

// storySplit cuts keys behind their first colon. Partitions are the first byte.
var storySplit = Split{Name: "story", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// storyState is what a store holds.
type storyState map[string]string

// story is the life of a store, and what was said about it so far.
type story struct {
	o    Options
	db   *DB
	view *View
	// viewed is the state that view has.
	viewed storyState

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
	copies []storyCopy
	wrong  error // what must not be, the first
}

// storyCopy is a store made out of this one.
type storyCopy struct {
	dir   string
	state storyState
	done  bool // it was said to be there
}

// storyStep is a part of a story.
type storyStep func(*story) error

const storyDir = "stores/db"

func newStory(fsys vfs.FS, mode LogMode, memtableBytes int64) *story {
	s := &story{
		o: Options{
			FS: fsys, Log: mode, Split: storySplit, PartitionBytes: 1, MemtableBytes: memtableBytes,
			FileBytes: 700, BlockBytes: 512, Compression: []Compression{NoCompression}, Budget: storyBudget,
		},
		states: []storyState{{}}, seals: map[int]bool{0: true},
	}
	s.o.Events.CompactionFailed = func(error) { s.compactionFailed.Store(true) }
	return s
}

// storyBudget makes opening a store cheap. Large is what is above a sixteenth.
var storyBudget = NewBudget(8 << 20)

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
		s.states = s.states[:before+1]
		delete(s.seals, before+1)
	default:
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
	s.db.owner.Lock()
	defer s.db.owner.Unlock()
	return s.db.activeRun
}

func (db *DB) activeIsEmpty() bool {
	db.owner.Lock()
	defer db.owner.Unlock()
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
	// One that has failed is tried again.
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

// isAllowed says whether reads may give a state.
func (s *story) isAllowed(got storyState) bool {
	return slices.ContainsFunc(s.allowed(), func(state storyState) bool { return maps.Equal(got, state) })
}

// mayEnd notes that a run may end now.
func (s *story) mayEnd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seals[len(s.states)-1] = true
}

func open(s *story) (err error) {
	if s.db, err = Open(storyDir, &s.o); err == nil && s.manifestBytes > 0 {
		s.db.manifest.mu.Lock()
		s.db.manifest.maxBytes = s.manifestBytes
		s.db.manifest.mu.Unlock()
	}
	return err
}

func put(key, value string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m[key] = value },
			func(db *DB) error { return db.Put([]byte(key), []byte(value)) })
	}
}

func add(key, value string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m[key] += value },
			func(db *DB) error { return db.Append([]byte(key), []byte(value)) })
	}
}

func del(key string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { delete(m, key) },
			func(db *DB) error { return db.Delete([]byte(key)) })
	}
}

func delPrefix(prefix string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m.drop(func(k string) bool { return strings.HasPrefix(k, prefix) }) },
			func(db *DB) error { return db.DeletePrefix([]byte(prefix)) })
	}
}

func delRange(from, to string) storyStep {
	return func(s *story) error {
		return s.write(func(m storyState) { m.drop(func(k string) bool { return from <= k && k < to }) },
			func(db *DB) error { return db.DeleteRange([]byte(from), []byte(to)) })
	}
}

func (m storyState) drop(which func(string) bool) {
	maps.DeleteFunc(m, func(k, _ string) bool { return which(k) })
}

// batch clears a prefix and writes two keys of it.
func batchOf(prefix, value string) storyStep {
	return func(s *story) error {
		var b Batch
		b.Put([]byte(prefix+"gone"), []byte("gone"))
		b.DeletePrefix([]byte(prefix))
		b.Put([]byte(prefix+"1"), []byte(value))
		b.Append([]byte(prefix+"2"), []byte(value))
		b.Append([]byte(prefix+"2"), []byte("!"))
		return s.write(func(m storyState) {
			m.drop(func(k string) bool { return strings.HasPrefix(k, prefix) })
			m[prefix+"1"], m[prefix+"2"] = value, value+"!"
		}, func(db *DB) error { return db.Apply(&b) })
	}
}

func seal(s *story) error {
	s.mayEnd()
	return s.db.Seal()
}

func flush(s *story) error { return s.durable((*DB).Flush) }

func compact(s *story) error { return s.durable((*DB).Compact) }

func closeStore(s *story) error { return s.durable((*DB).Close) }

func reopen(s *story) error { return errors.Join(closeStore(s), open(s)) }

func checkpointTo(dir string) storyStep {
	return func(s *story) error {
		return s.copyTo(dir, s.found(), func() error {
			return s.durable(func(db *DB) error { return db.Checkpoint(context.Background(), dir) })
		})
	}
}

// restoreTo makes a store of the keys below c of one copy, and the others of
// another.
func restoreTo(dir, low, high string) storyStep {
	return func(s *story) error {
		state := storyState{}
		for _, c := range s.copies {
			if !c.done && (c.dir == low || c.dir == high) {
				return nil // that one has failed
			}
			for k, v := range c.state {
				if c.dir == low && k < "c" || c.dir == high && k >= "c" {
					state[k] = v
				}
			}
		}
		return s.copyTo(dir, state, func() error {
			return Restore(context.Background(), dir, []Part{
				{Dir: low, To: []byte("c")}, {Dir: high, From: []byte("c")},
			}, &s.o)
		})
	}
}

func takeView(s *story) (err error) {
	s.mayEnd()
	s.viewed = s.found()
	s.view, err = s.db.View()
	return err
}

// closeView compares what the view has, if there is one, before it closes it.
func closeView(s *story) error {
	v := s.view
	if v == nil {
		return nil
	}
	s.view = nil
	it, err := v.Iterator(nil, nil)
	if err != nil {
		return errors.Join(err, v.Close())
	}
	got, err := walk(it)
	if err == nil && !maps.Equal(got, s.viewed) {
		s.violate(errors.New("the view has changed"))
	}
	return errors.Join(err, v.Close())
}

// settle waits until the workers have nothing to do, or cannot do it.
func settle(s *story) error {
	s.compactionFailed.Store(false)
	for range 400 {
		s.db.owner.Lock()
		stop := s.db.failed != nil || s.db.stuck != nil || s.db.damaged || s.compactionFailed.Load()
		idle := len(s.db.current.memory) == 0
		s.db.owner.Unlock()
		if idle {
			s.db.compacting.Lock()
			s.db.owner.Lock()
			idle = s.db.o.Picker.Pick(s.db.shape()) == nil
			s.db.owner.Unlock()
			s.db.compacting.Unlock()
		}
		if stop || idle {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// look compares what reads give with what there should be.
func look(s *story) error {
	got, err := contentOf(s.db)
	if err != nil {
		return err
	}
	if !s.isAllowed(got) {
		s.violate(fmt.Errorf("reads give %d keys that are not those written", len(got)))
	}
	return nil
}

// keysOfStories are all keys that stories write, and some more.
var keysOfStories = func() (keys []string) {
	for _, p := range []string{"a:", "b:", "c:", "d:", "e:", "x"} {
		keys = append(keys, p, p+"1", p+"2", p+"3", p+"4", p+"gone")
	}
	for i := range 30 {
		keys = append(keys, fmt.Sprintf("m:%02d", i))
	}
	return keys
}()

// contentOf reads all of a store by Get, which seals nothing.
func contentOf(db *DB) (storyState, error) {
	got := storyState{}
	for _, key := range keysOfStories {
		value, ok, err := db.Get([]byte(key), nil)
		if err != nil {
			return nil, err
		}
		if ok {
			got[key] = string(value)
		}
	}
	return got, nil
}

// walk reads all that an iterator gives, and closes it.
func walk(it *Iterator) (storyState, error) {
	got := storyState{}
	var last []byte
	for it.Next() {
		if len(got) > 0 && bytes.Compare(last, it.Key()) >= 0 {
			return nil, errors.Join(errors.New("keys do not ascend"), it.Close())
		}
		last = append(last[:0], it.Key()...)
		value, err := it.Value()
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		got[string(last)] = string(value)
	}
	return got, errors.Join(it.Err(), it.Close())
}

// scanned reads all of a store both ways, and compares the two.
func scanned(db *DB) (storyState, error) {
	it, err := db.Iterator(nil, nil)
	if err != nil {
		return nil, err
	}
	got, err := walk(it)
	if err != nil {
		return nil, err
	}
	byGet, err := contentOf(db)
	if err == nil && !maps.Equal(got, byGet) {
		err = fmt.Errorf("a scan gives %d keys, and Get others", len(got))
	}
	return got, err
}

// promise is what must be after a crash: one of the states, and copies.
type promise struct {
	states []storyState
	copies []storyCopy
}

// promised is taken around a crash, so that it allows what was true before it or
// after it.
func (s *story) promised(crash func() *vfs.Mem) (*vfs.Mem, promise) {
	s.mu.Lock()
	kept, copies := s.kept, slices.Clone(s.copies)
	s.mu.Unlock()
	mem := crash()
	s.mu.Lock()
	defer s.mu.Unlock()
	return mem, promise{states: s.survivors(kept), copies: copies}
}

// survivors are the states of which a crash may leave one, if it must not go
// back behind a state.
func (s *story) survivors(kept int) (states []storyState) {
	for i, state := range s.states {
		if i == kept || i > kept && (s.o.Log != LogOff || s.seals[i]) {
			states = append(states, state)
		}
	}
	return states
}

// verify opens what a crash has left and compares it with what was promised.
func (p *promise) verify(o Options, fsys vfs.FS) error {
	o.FS = fsys
	db, err := Open(storyDir, &o)
	if err != nil {
		return err
	}
	got, err := scanned(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if !slices.ContainsFunc(p.states, func(s storyState) bool { return maps.Equal(s, got) }) {
		return errors.Join(fmt.Errorf("it has %d keys, which is none of %d states", len(got), len(p.states)), db.Close())
	}
	got["x"] = "after"
	if err := errors.Join(db.Put([]byte("x"), []byte("after")), db.Close()); err != nil {
		return err
	}
	if err := holds(o, storyDir, got); err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	for _, c := range p.copies {
		if err := c.verify(o); err != nil {
			return fmt.Errorf("%s, done %v: %w", c.dir, c.done, err)
		}
	}
	return nil
}

// holds opens a store and compares all of it.
func holds(o Options, dir string, want storyState) error {
	db, err := Open(dir, &o)
	if err != nil {
		return err
	}
	got, err := scanned(db)
	if err == nil && !maps.Equal(got, want) {
		err = errWrongState
	}
	return errors.Join(err, db.Close())
}

var errWrongState = errors.New("the store has another state")

// verify looks at a copy. One that was not finished is no store, or all of it:
// a directory in which there is nothing yet becomes an empty one.
func (c *storyCopy) verify(o Options) error {
	o.Log = LogOff
	if c.done {
		return holds(o, c.dir, c.state)
	}
	if _, err := o.FS.Stat(c.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, noCurrent := o.FS.Stat(c.dir + "/" + currentName)
	err := holds(o, c.dir, c.state)
	switch {
	case errors.Is(err, errWrongState) && noCurrent != nil:
		return holds(o, c.dir, storyState{})
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrNotStore):
		return nil
	}
	return err
}
