package lsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// promise is the content that a store must have after a crash: one of the states, and all copies.
type promise struct {
	states []storyState
	copies []storyCopy
}

// promisedAfter simulates a crash and returns the disk after it and the promise of the store. The
// workers run concurrently: the promise starts from the state kept before the crash and allows all
// states up to those recorded after it. A crash that keeps everything is the death of the process.
func (s *story) promisedAfter(o vfstest.CrashOptions, disk *vfstest.Mem) (*vfstest.Mem, promise) {
	s.mu.Lock()
	kept, copies := s.kept, slices.Clone(s.copies)
	if o.Keep == 1 && s.o.Log == LogWritten {
		kept = s.acked
	}
	s.mu.Unlock()
	crashed := disk.CrashClone(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	return crashed, promise{states: s.survivors(kept), copies: copies}
}

// promisedAtClose returns the promise of a closed store.
func (s *story) promisedAtClose() promise {
	s.mu.Lock()
	defer s.mu.Unlock()
	return promise{states: s.survivors(s.kept), copies: s.copies}
}

// survivors returns the states that a crash may leave: the state kept and later states. Without a
// log, later states count only if a run may have ended there.
func (s *story) survivors(kept int) (states []storyState) {
	for i, state := range s.states {
		if i == kept || i > kept && (s.o.Log != LogOff || s.seals[i]) {
			states = append(states, state)
		}
	}
	return append(states, s.refused...)
}

// verify opens the store on a disk after a crash and compares it and its copies with the promise.
func (p *promise) verify(o Options, fsys vfs.FS) error {
	o.FS = fsys
	db, err := Open(context.Background(), storyDir, o)
	if err != nil {
		return err
	}
	got, err := scanned(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if !slices.ContainsFunc(p.states, func(s storyState) bool { return maps.Equal(s, got) }) {
		return errors.Join(fmt.Errorf("the content has %d keys and matches none of the %d allowed states", len(got), len(p.states)), db.Close())
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

// holds opens a store and compares its whole content with want.
func holds(o Options, dir string, want storyState) error {
	db, err := Open(context.Background(), dir, o)
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

// verify checks a copy. An unfinished copy is either not a store or complete; opening an empty
// directory makes an empty store.
func (c *storyCopy) verify(o Options) error {
	o.Log = LogOff
	if c.done {
		return holds(o, c.dir, c.state)
	}
	if _, err := o.FS.Stat(c.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, noCurrent := o.FS.Stat(c.dir + "/" + directory.CurrentName)
	err := holds(o, c.dir, c.state)
	switch {
	case errors.Is(err, errWrongState) && noCurrent != nil:
		return holds(o, c.dir, storyState{})
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrNotStore):
		return nil
	}
	return err
}
