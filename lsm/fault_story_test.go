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
	disk      *faultyDisk
	cause     error // the error that failing operations return
	lasting   bool  // operations fail until the test lifts the fault
	known     *DB   // the open store for which learnState has run
	errors    int   // number of errors that calls returned
	skipReads bool  // takeSteps does not call inspect
}

// takeSteps performs all steps. It inspects the store after every 11th step and after the first steps that
// follow a fault.
func (o *faultStory) takeSteps(steps []storyStep) {
	since := 0 // number of steps since the last fault
	for i, step := range steps {
		if o.db == nil && i > 0 && !o.reopened() {
			return
		}
		copies, errorsBefore, hits := len(o.copies), o.errors, o.disk.hits.Load()
		err := step(o.story)
		o.expect(err)
		if err != nil && !o.lasting && len(o.copies) > copies && o.db.checkWritableNow() == nil {
			// A second try must succeed despite files of the failed checkpoint.
			o.expectNoError("second try of a checkpoint", step(o.story))
		}
		if o.db != nil && o.db != o.known {
			o.learnState()
		}
		if o.disk.hits.Load() > hits || o.errors > errorsBefore {
			since = 0
		}
		if since++; o.db != nil && !o.skipReads && (since < 3 || i%11 == 5) {
			o.inspect()
		}
		if o.wrong != nil {
			return
		}
	}
}

// reopened tries to open the store after a failed Open. It reports whether the store is open.
func (o *faultStory) reopened() bool {
	for range 3 {
		err := open(o.story)
		o.expect(err)
		if err == nil {
			o.learnState()
			return true
		}
	}
	if !o.lasting {
		o.violate(errors.New("the store cannot be opened after the fault"))
	}
	return false
}

// learnState reads the content of the newly opened store. It must be one of the states that the previous
// store promised, and becomes the only known state.
func (o *faultStory) learnState() {
	got, err := contentOf(o.db)
	o.expect(err)
	if err != nil { // Open must be repeated until the content can be read
		o.expect(o.db.Close())
		o.db = nil
		return
	}
	allowed := o.survivors(o.kept)
	at := slices.IndexFunc(allowed, func(state storyState) bool { return maps.Equal(state, got) })
	if at < 0 {
		o.violate(fmt.Errorf("after Open the store has %d keys, which match none of %d possible states", len(got), len(allowed)))
		return
	}
	o.mu.Lock()
	o.states, o.seals = []storyState{allowed[at]}, map[int]bool{0: true}
	o.acked, o.kept, o.failed, o.refused = 0, 0, false, nil
	o.mu.Unlock()
	o.known = o.db
}

// expect counts an error, and requires that it wraps the cause of the fault and no sentinel with another
// meaning.
func (o *faultStory) expect(err error) {
	if err == nil {
		return
	}
	o.errors++
	switch {
	case !errors.Is(err, o.cause):
		o.expectNoError("an error with another cause", err)
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion), errors.Is(err, ErrNotStore), errors.Is(err, ErrClosed):
		o.expectNoError("a fault reported with the wrong sentinel", err)
	}
}

// expectNoError records an error as a violation. call describes the call that returned the error.
func (o *faultStory) expectNoError(call string, err error) {
	if err != nil {
		o.mu.Lock()
		o.violate(fmt.Errorf("%s: %w", call, err))
		o.mu.Unlock()
	}
}

// inspect reads the store in all ways. Each must return an allowed content or an error of the fault.
func (o *faultStory) inspect() {
	if errors.Is(o.db.checkWritableNow(), ErrClosed) {
		return
	}
	o.recordPossibleSeal()
	for name, read := range readsOfStories {
		got, err := read(o.db)
		o.expect(err)
		if err == nil && !o.isAllowed(got) {
			o.violate(fmt.Errorf("%s returns %d keys, not an allowed content", name, len(got)))
		}
	}
}

func (db *DB) checkWritableNow() error {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.status.checkWritable()
}

// readsOfStories holds all ways to read a store.
var readsOfStories = map[string]func(*DB) (storyState, error){
	"Get": contentOf,
	"Peek": func(db *DB) (storyState, error) {
		return getAll(func(key []byte) ([]byte, bool, error) { return db.Peek(key) })
	},
	"Stream": func(db *DB) (storyState, error) {
		return getAll(func(key []byte) ([]byte, bool, error) { return readStream(db.Stream(key)) })
	},
	"Iterator": func(db *DB) (storyState, error) {
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return nil, err
		}
		return readAllOf(it)
	},
	"Prefix": readPrefixes,
	"a view": readView,
	"Iterator, by Seek": func(db *DB) (storyState, error) {
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return nil, err
		}
		got, err := getAll(func(key []byte) ([]byte, bool, error) {
			if !it.Seek(key) || !bytes.Equal(it.Key(), key) {
				return nil, false, it.Err()
			}
			value, err := it.Value()
			return value, err == nil, err
		})
		return got, errors.Join(err, it.Close())
	},
}

// getAll reads each key of the stories by read.
func getAll(read func(key []byte) ([]byte, bool, error)) (storyState, error) {
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

// readStream reads the result of Stream and closes the reader.
func readStream(r io.ReadCloser, size int64, found bool, err error) ([]byte, bool, error) {
	if err != nil || !found {
		return nil, false, err
	}
	value, err := io.ReadAll(r)
	if err == nil && int64(len(value)) != size {
		err = fmt.Errorf("the stream has %d bytes, but its size is %d", len(value), size)
	}
	return value, true, errors.Join(err, r.Close())
}

// readPrefixes reads all entries by prefix iterators.
func readPrefixes(db *DB) (storyState, error) {
	got := storyState{}
	for _, prefix := range prefixesOfStories {
		it, err := db.Prefix([]byte(prefix))
		if err != nil {
			return nil, err
		}
		entries, err := readAllOf(it)
		if err != nil {
			return nil, err
		}
		maps.Copy(got, entries)
	}
	return got, nil
}

// prefixesOfStories holds the prefixes of all keys of the stories.
var prefixesOfStories = func() (prefixes []string) {
	for _, key := range keysOfStories {
		prefixes = append(prefixes, key[:storySplit.Func([]byte(key))])
	}
	slices.Sort(prefixes)
	return slices.Compact(prefixes)
}()

// readView reads all entries of a view by an iterator and by Get.
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
	byGet, err := getAll(func(key []byte) ([]byte, bool, error) { return v.Get(key, nil) })
	if err == nil && !maps.Equal(got, byGet) {
		err = errors.New("the iterator and Get of a view return different entries")
	}
	return got, err
}

// close closes the view and the store. It requires that no handle and no goroutine of the store is left.
func (o *faultStory) close() {
	if o.db != nil {
		o.expect(closeView(o.story))
		o.expect(o.db.Close())
	}
	o.expectNoError("open handles after Close", nothingOpen(o.disk))
}

// recover lifts the fault, opens the store, and verifies its promises. If powerCut is set, it also does
// this on a copy of the disk after a power cut.
func (o *faultStory) recover(powerCut bool) {
	o.disk.lifted.Store(true)
	if powerCut {
		crashed, p := o.promisedAfter(vfstest.CrashOptions{}, o.disk.mem)
		o.expectNoError("after a power cut", p.verify(o.o, crashed))
	}
	p := o.promisedAtClose()
	o.expectNoError("after the fault was lifted", p.verify(o.o, o.disk.mem))
	o.expectNoError("use of the reopened store", checkUsable(o.o, o.disk.mem))
}

// nothingOpen returns an error if a handle on the disk is open after all stores were closed. It waits
// for the goroutines of these stores.
func nothingOpen(disk *faultyDisk) error {
	if open := disk.openHandles(); len(open) > 0 {
		return fmt.Errorf("handles are still open: %v", open)
	}
	waitForWorkersToEnd(disk.before)
	return nil
}

// checkUsable opens, reads, writes, compacts and checks the store, and returns the first error.
func checkUsable(o Options, fsys vfs.FS) error {
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
		err = fmt.Errorf("there are leftover files: %v", report.Leftovers)
	}
	return errors.Join(err, holds(o, storyDir, want))
}

// stacks is a buffer for the stacks of all goroutines. Allocating it for each story would take longer
// than the story.
var (
	stacksMu sync.Mutex
	stacks   = make([]byte, 1<<20)
)

// waitForWorkersToEnd waits for the end of all goroutines of stores, except those in before. If a
// goroutine does not end, go test reaches its time limit and prints the stack.
func waitForWorkersToEnd(before map[string]bool) {
	for {
		running := workers()
		maps.DeleteFunc(running, func(id string, _ bool) bool { return before[id] })
		if len(running) == 0 {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// workers returns the goroutines of all stores. A goroutine is identified by the first line of its stack,
// without its state.
func workers() map[string]bool {
	stacksMu.Lock()
	defer stacksMu.Unlock()
	found := make(map[string]bool)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "lsm.(*DB).work") || strings.Contains(stack, "lsm.(*obsoleteFiles).work") {
			id, _, _ := strings.Cut(stack, " [")
			found[id] = true
		}
	}
	return found
}
