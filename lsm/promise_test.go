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

// promise is what must be after a crash: one of the states, and copies.
type promise struct {
	states []storyState
	copies []storyCopy
}

// promisedAfter makes a crash and returns what is left, and what the store has promised.
// It looks before and after it, so that it allows what was true at either time. A crash
// that keeps everything is the end of the process.
func (s *story) promisedAfter(o vfstest.CrashOptions, disk *vfstest.Mem) (*vfstest.Mem, promise) {
	s.mu.Lock()
	kept, copies := s.kept, slices.Clone(s.copies)
	if o.Keep == 1 && s.o.Log == LogWritten {
		kept = s.acked
	}
	s.mu.Unlock()
	left := disk.CrashClone(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	return left, promise{states: s.survivors(kept), copies: copies}
}

// promisedAtClose returns what a store has promised that is closed.
func (s *story) promisedAtClose() promise {
	s.mu.Lock()
	defer s.mu.Unlock()
	return promise{states: s.survivors(s.kept), copies: s.copies}
}

// survivors are the states of which a crash may leave one, if it must not go
// back behind a state.
func (s *story) survivors(kept int) (states []storyState) {
	for i, state := range s.states {
		if i == kept || i > kept && (s.o.Log != LogOff || s.seals[i]) {
			states = append(states, state)
		}
	}
	return append(states, s.refused...)
}

// verify opens what a crash has left and compares it with what was promised.
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
		return errors.Join(fmt.Errorf("it has %d keys, in none of %d possible states", len(got), len(p.states)), db.Close())
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
