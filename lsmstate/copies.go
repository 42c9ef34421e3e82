package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// LocalCopies keeps the tables that the last native snapshots of a process's backends
// had, as second names of the files, so that a restore need not fetch them from where
// snapshots go. Flink calls this local recovery. What it does not have, or cannot
// link, is fetched: no error comes of it.
//
// Thread safety: safe for concurrent use.
type LocalCopies struct {
	fs   vfs.FS
	dir  string
	lock vfs.Lock // checked before a copy is made or removed

	mu        sync.Mutex
	backends  int // that are open
	snapshots int // of all of them
	// used has the tables that are kept, and snapshots as it was when a snapshot or a
	// restore last had each.
	used map[snapshot.Identity]int
}

// keptSnapshots is how many of each backend's last snapshots have their tables kept:
// the newest may never be confirmed.
const keptSnapshots = 3

// OpenLocalCopies takes a directory, which it makes if need be, with what another
// process has left there. It must be empty or one that had copies, which a file there
// tells: any other is ErrNotStore. It is ErrLocked if the directory is in use. The name
// is resolved as that of Create. Tables can only be linked within a file system.
func OpenLocalCopies(dir string) (*LocalCopies, error) { return openLocalCopies(vfs.Real{}, dir) }

func openLocalCopies(fsys vfs.FS, dir string) (*LocalCopies, error) {
	path, lock, err := claimOfCopies(fsys).take(dir)
	if err != nil {
		return nil, fmt.Errorf("local copies: %w", err)
	}
	c := &LocalCopies{fs: fsys, dir: path, lock: lock, used: make(map[snapshot.Identity]int)}
	names, err := fsys.List(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local copies: %w", err), lock.Close())
	}
	for _, name := range names {
		if id, ok := parseCopy(name); ok {
			c.used[id] = 0
		}
	}
	return c, nil
}

// Close lets go of the directory. What is in it stays, for the next process.
func (c *LocalCopies) Close() error { return c.lock.Close() }

func (c *LocalCopies) path(id snapshot.Identity) string {
	return filepath.Join(c.dir, id.String())
}

// opened counts backends, closed ones with -1.
func (c *LocalCopies) opened(n int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backends += n
}

// keep keeps the tables of a snapshot, as many as it can before the context ends, and lets
// those go that none of the last had. A table without a file in the snapshot is in its
// description: no restore would ask for a copy.
func (c *LocalCopies) keep(ctx context.Context, tables *lsm.Tables, hasFile func(snapshot.Identity) bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock.Check() != nil {
		return
	}
	c.snapshots++
	for _, t := range tables.List() {
		if ctx.Err() != nil {
			return
		}
		id := t.Identity
		if !hasFile(id) {
			continue
		}
		if _, ok := c.used[id]; !ok {
			if err := tables.Link(t.Number, c.path(id)); err != nil && !errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		c.used[id] = c.snapshots
	}
	for id, used := range c.used {
		if c.snapshots-used >= keptSnapshots*max(c.backends, 1) {
			c.remove(id)
		}
	}
}

// take gives a table another name, and says whether it has it.
func (c *LocalCopies) take(id snapshot.Identity, path string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.used[id]; !ok {
		return false
	}
	if c.fs.Link(c.path(id), path) != nil {
		if info, err := c.fs.Lstat(c.path(id)); err != nil || !info.Mode().IsRegular() {
			delete(c.used, id) // somebody has removed or replaced it
		}
		return false
	}
	c.used[id] = c.snapshots
	return true
}

// forget lets a table go that is not what it should be.
func (c *LocalCopies) forget(id snapshot.Identity) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.used[id]; ok {
		c.remove(id)
	}
}

// remove removes a copy. One that stays on disk is found by the next process; what is
// no regular file was not made here.
func (c *LocalCopies) remove(id snapshot.Identity) {
	if c.lock.Check() == nil {
		_ = confine.RemoveFile(c.fs, c.path(id))
	}
	delete(c.used, id)
}
