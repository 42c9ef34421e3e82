package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// faultStory is a story on a disk with a fault. It continues after failed steps.
type faultStory struct {
	*story
	disk    *faultyDisk
	cause   error // what errors of the fault are
	lasting bool  // the fault stays until it is lifted
	begun   *DB   // the store whose state is known
	errors  int   // that calls gave
	blind   bool  // nothing is read
}

// takeSteps takes all steps. It checks the results of reads after every few steps, and for some time
// after the fault.
func (o *faultStory) takeSteps(steps []storyStep) {
	since := 0 // the fault, in steps
	for i, step := range steps {
		if o.db == nil && i > 0 && !o.reopened() {
			return
		}
		copies, errorsBefore, hits := len(o.copies), o.errors, o.disk.hits.Load()
		err := step(o.story)
		o.expect(err)
		if err != nil && !o.lasting && len(o.copies) > copies && o.db.checkWritableNow() == nil {
			// Files of a failed checkpoint do not prevent the next one.
			o.expectNone("a checkpoint that is tried again", step(o.story))
		}
		if o.db != nil && o.db != o.begun {
			o.begin()
		}
		if o.disk.hits.Load() > hits || o.errors > errorsBefore {
			since = 0
		}
		if since++; o.db != nil && !o.blind && (since < 3 || i%11 == 5) {
			o.inspect()
		}
		if o.wrong != nil {
			return
		}
	}
}

// reopened opens a store again that could not be opened before.
func (o *faultStory) reopened() bool {
	for range 3 {
		err := open(o.story)
		o.expect(err)
		if err == nil {
			o.begin()
			return true
		}
	}
	if !o.lasting {
		o.violate(errors.New("a store cannot be opened after the fault"))
	}
	return false
}

// begin finds out what a store has that was opened: one of the states that the
// one before promised.
func (o *faultStory) begin() {
	got, err := contentOf(o.db)
	o.expect(err)
	if err != nil { // nothing is known until it can be read
		o.expect(o.db.Close())
		o.db = nil
		return
	}
	may := o.survivors(o.kept)
	at := slices.IndexFunc(may, func(state storyState) bool { return maps.Equal(state, got) })
	if at < 0 {
		o.violate(fmt.Errorf("opened again it has %d keys, in none of %d possible states", len(got), len(may)))
		return
	}
	o.mu.Lock()
	o.states, o.seals = []storyState{may[at]}, map[int]bool{0: true}
	o.acked, o.kept, o.failed, o.refused = 0, 0, false, nil
	o.mu.Unlock()
	o.begun = o.db
}

// expect sees to it that an error tells of the fault, and of nothing else.
func (o *faultStory) expect(err error) {
	if err == nil {
		return
	}
	o.errors++
	switch {
	case !errors.Is(err, o.cause):
		o.expectNone("an error that is not the fault's", err)
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion), errors.Is(err, ErrNotStore), errors.Is(err, ErrClosed):
		o.expectNone("a fault that is taken for something else", err)
	}
}

func (o *faultStory) expectNone(what string, err error) {
	if err != nil {
		o.mu.Lock()
		o.violate(fmt.Errorf("%s: %w", what, err))
		o.mu.Unlock()
	}
}

// inspect compares all ways to read. Each gives what there is or an error.
func (o *faultStory) inspect() {
	if errors.Is(o.db.checkWritableNow(), ErrClosed) {
		return
	}
	o.recordPossibleSeal()
	for name, read := range readsOfStories {
		got, err := read(o.db)
		o.expect(err)
		if err == nil && !o.isAllowed(got) {
			o.violate(fmt.Errorf("%s gives %d keys that are not those written", name, len(got)))
		}
	}
}

func (db *DB) checkWritableNow() error {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.status.checkWritable()
}

// readsOfStories are the ways to read a store.
var readsOfStories = map[string]func(*DB) (storyState, error){
	"Get": contentOf,
	"Peek": func(db *DB) (storyState, error) {
		return gather(func(key []byte) ([]byte, bool, error) { return db.Peek(key) })
	},
	"Stream": func(db *DB) (storyState, error) {
		return gather(func(key []byte) ([]byte, bool, error) { return streamed(db.Stream(key)) })
	},
	"Iterator": func(db *DB) (storyState, error) {
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return nil, err
		}
		return readAllOf(it)
	},
	"Prefix": walkPrefixes,
	"a view": readView,
	"Iterator, by Seek": func(db *DB) (storyState, error) {
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return nil, err
		}
		got, err := gather(func(key []byte) ([]byte, bool, error) {
			if !it.Seek(key) || !bytes.Equal(it.Key(), key) {
				return nil, false, it.Err()
			}
			value, err := it.Value()
			return value, err == nil, err
		})
		return got, errors.Join(err, it.Close())
	},
}

// gather reads all keys of stories.
func gather(read func(key []byte) ([]byte, bool, error)) (storyState, error) {
	got := storyState{}
	for _, key := range keysOfStories {
		value, found, err := read([]byte(key))
		if err != nil {
			return nil, err
		}
		if found {
			got[key] = string(value)
		}
	}
	return got, nil
}

// streamed reads what Stream has returned.
func streamed(r io.ReadCloser, size int64, found bool, err error) ([]byte, bool, error) {
	if err != nil || !found {
		return nil, false, err
	}
	value, err := io.ReadAll(r)
	if err == nil && int64(len(value)) != size {
		err = fmt.Errorf("a stream has %d bytes, not %d", len(value), size)
	}
	return value, true, errors.Join(err, r.Close())
}

// walkPrefixes reads everything by cursors.
func walkPrefixes(db *DB) (storyState, error) {
	got := storyState{}
	for _, prefix := range prefixesOfStories {
		it, err := db.Prefix([]byte(prefix))
		if err != nil {
			return nil, err
		}
		of, err := readAllOf(it)
		if err != nil {
			return nil, err
		}
		maps.Copy(got, of)
	}
	return got, nil
}

// prefixesOfStories are those of the keys of stories.
var prefixesOfStories = func() (prefixes []string) {
	for _, key := range keysOfStories {
		prefixes = append(prefixes, key[:storySplit.Func([]byte(key))])
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}()

// readView reads everything of a view, twice.
func readView(db *DB) (got storyState, err error) {
	v, err := db.View()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	it, err := v.Iterator(nil, nil)
	if err != nil {
		return nil, err
	}
	if got, err = readAllOf(it); err != nil {
		return nil, err
	}
	byGet, err := gather(func(key []byte) ([]byte, bool, error) { return v.Get(key, nil) })
	if err == nil && !maps.Equal(got, byGet) {
		err = errors.New("two ways to read a view differ")
	}
	return got, err
}

// close closes what is open, and sees to it that nothing is left of it.
func (o *faultStory) close() {
	if o.db != nil {
		o.expect(closeView(o.story))
		o.expect(o.db.Close())
	}
	o.expectNone("after Close", nothingOpen(o.disk))
}

// recover opens the store again without the fault, with or without a power cut before.
func (o *faultStory) recover(powerCut bool) {
	o.disk.lifted.Store(true)
	if powerCut {
		left, p := o.promisedAfter(vfstest.CrashOptions{}, o.disk.mem)
		o.expectNone("after a power cut", p.verify(o.o, left))
	}
	p := o.promisedAtClose()
	o.expectNone("without the fault", p.verify(o.o, o.disk.mem))
	o.expectNone("at work again", works(o.o, o.disk.mem))
}

// nothingOpen says what is open on a disk without stores, and which goroutines
// are left of them.
func nothingOpen(disk *faultyDisk) error {
	if left := disk.left(); len(left) > 0 {
		return fmt.Errorf("left open are %v", left)
	}
	noWorkersLeft(disk.before)
	return nil
}

// works sees to it that a store can do everything.
func works(o Options, fsys vfs.FS) error {
	o.FS = fsys
	db, err := Open(context.Background(), storyDir, o)
	if err != nil {
		return err
	}
	want, err := scanned(db)
	if err == nil {
		err = db.Put([]byte("x"), []byte("works"))
	}
	if err == nil {
		err = db.Compact(context.Background())
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	want["x"] = "works"
	report, err := Check(context.Background(), storyDir, o)
	if err == nil && len(report.Leftovers) > 0 {
		err = fmt.Errorf("left over are %v", report.Leftovers)
	}
	return errors.Join(err, holds(o, storyDir, want))
}

// stacks is memory for those of all goroutines: to make it anew for each story
// takes longer than the story.
var (
	stacksMu sync.Mutex
	stacks   = make([]byte, 1<<20)
)

// noWorkersLeft waits until all goroutines of stores have ended that are not in before. If a
// goroutine does not end, go test reaches its time limit and prints it.
func noWorkersLeft(before map[string]bool) {
	for {
		left := workers()
		maps.DeleteFunc(left, func(id string, _ bool) bool { return before[id] })
		if len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// workers returns the goroutines of all stores, by the first lines of their stacks up to
// their states.
func workers() map[string]bool {
	stacksMu.Lock()
	defer stacksMu.Unlock()
	of := make(map[string]bool)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "lsm.(*DB).work") || strings.Contains(stack, "lsm.(*obsoleteFiles).work") {
			id, _, _ := strings.Cut(stack, " [")
			of[id] = true
		}
	}
	return of
}
