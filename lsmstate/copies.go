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

// LocalCopies keeps the tables of the last native snapshots of a process's backends on the local disk,
// as hard links, so that a restore need not read them from the remote storage of snapshots. Flink
// calls this local recovery. A restore reads tables without a copy from its source; a missing copy
// is never an error.
//
// Thread safety: safe for concurrent use.
type LocalCopies struct {
	fs   vfs.FS
	dir  string
	lock vfs.Lock // checked before a copy is made or removed

	mu        sync.Mutex
	backends  int // number of open backends
	snapshots int // number of snapshots so far, of all backends
	// lastUse has, for each kept table, the value of snapshots when a snapshot or a restore
	// last used the table.
	lastUse map[snapshot.Identity]int
}

// keptSnapshots is the number of snapshots per backend whose tables are kept. It is above 1 because
// the newest snapshots may never become part of a complete checkpoint.
const keptSnapshots = 3

// OpenLocalCopies opens a directory of local copies, with the copies of earlier processes. It makes the
// directory if it does not exist. The directory must be empty or have the marker file of local
// copies; otherwise OpenLocalCopies returns ErrNotStore. It returns ErrLocked if the directory is in
// use, and resolves dir as Create does. The directory must be on the file system of the backends,
// since links cannot cross file systems.
func OpenLocalCopies(dir string) (*LocalCopies, error) { return openLocalCopies(vfs.Real{}, dir) }

func openLocalCopies(fsys vfs.FS, dir string) (*LocalCopies, error) {
	path, lock, err := copiesClaim(fsys).acquire(dir)
	if err != nil {
		return nil, fmt.Errorf("local copies: %w", err)
	}
	c := &LocalCopies{fs: fsys, dir: path, lock: lock, lastUse: make(map[snapshot.Identity]int)}
	names, err := fsys.List(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local copies: %w", err), lock.Close())
	}
	for _, name := range names {
		if id, ok := parseCopy(name); ok {
			c.lastUse[id] = 0
		}
	}
	return c, nil
}

// Close unlocks the directory. The copies stay for the next process.
func (c *LocalCopies) Close() error { return c.lock.Close() }

// path returns the path of a copy.
func (c *LocalCopies) path(id snapshot.Identity) string {
	return filepath.Join(c.dir, id.String())
}

// addBackends adds n to the number of open backends.
func (c *LocalCopies) addBackends(n int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backends += n
}

// keep links the tables of a snapshot, until the context ends, and removes the copies that none of
// the last snapshots used. It skips packed tables: hasFile returns false for them, and no restore
// needs a copy.
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
		if _, ok := c.lastUse[id]; !ok {
			if err := tables.Link(t.Number, c.path(id)); err != nil && !errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		c.lastUse[id] = c.snapshots
	}
	for id, last := range c.lastUse {
		if c.snapshots-last >= keptSnapshots*max(c.backends, 1) {
			c.remove(id)
		}
	}
}

// link makes path a hard link to the copy of a table and reports whether it did.
func (c *LocalCopies) link(id snapshot.Identity, path string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.lastUse[id]; !ok {
		return false
	}
	if c.fs.Link(c.path(id), path) != nil {
		if info, err := c.fs.Lstat(c.path(id)); err != nil || !info.Mode().IsRegular() {
			delete(c.lastUse, id) // somebody has removed or replaced the copy
		}
		return false
	}
	c.lastUse[id] = c.snapshots
	return true
}

// forget removes the copy of a table because it is damaged.
func (c *LocalCopies) forget(id snapshot.Identity) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.lastUse[id]; ok {
		c.remove(id)
	}
}

// remove removes a copy. If that fails, the next process finds the copy. An entry that is not a
// regular file stays: LocalCopies did not make it.
func (c *LocalCopies) remove(id snapshot.Identity) {
	if c.lock.Check() == nil {
		_ = confine.RemoveFile(c.fs, c.path(id))
	}
	delete(c.lastUse, id)
}
