package lsmstate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
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
	lock io.Closer

	mu        sync.Mutex
	copies    map[snapshot.Identity]localCopy
	backends  int // that are open
	snapshots int // of all of them
}

// localCopy is a table that is kept.
type localCopy struct {
	used int // LocalCopies.snapshots when a snapshot or a restore last had it
	// inherited says that another process has left it, which a machine's crash may have
	// ended: the content is compared when it is used.
	inherited bool
}

// keptSnapshots is how many of each backend's last snapshots have their tables kept:
// the newest may never be confirmed.
const keptSnapshots = 3

// OpenLocalCopies takes a directory, which it makes if need be, with what another
// process has left there. It is ErrLocked if the directory is in use. Tables can only be
// linked within a file system.
func OpenLocalCopies(dir string) (*LocalCopies, error) { return openLocalCopies(vfs.Real{}, dir) }

func openLocalCopies(fs vfs.FS, dir string) (*LocalCopies, error) {
	if err := fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("local copies: %w", err)
	}
	lock, err := fs.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("local copies: %w", err)
	}
	c := &LocalCopies{fs: fs, dir: dir, lock: lock, copies: make(map[snapshot.Identity]localCopy)}
	names, err := fs.List(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("local copies: %w", err), lock.Close())
	}
	for _, name := range names {
		if id, err := hex.DecodeString(name); err == nil && len(id) == len(snapshot.Identity{}) {
			c.copies[snapshot.Identity(id)] = localCopy{inherited: true}
		}
	}
	return c, nil
}

// Close lets go of the directory. What is in it stays, for the next process.
func (c *LocalCopies) Close() error { return c.lock.Close() }

func (c *LocalCopies) path(id snapshot.Identity) string {
	return filepath.Join(c.dir, hex.EncodeToString(id[:]))
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

// keep keeps the tables of a snapshot, and lets those go that none of the last had.
func (c *LocalCopies) keep(tables *lsm.Tables) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshots++
	for _, t := range tables.List() {
		id := snapshot.Identity(t.Identity)
		kept, ok := c.copies[id]
		if !ok {
			if err := tables.Link(t.Number, c.path(id)); err != nil && !errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		kept.used = c.snapshots
		c.copies[id] = kept
	}
	for id, kept := range c.copies {
		if c.snapshots-kept.used >= keptSnapshots*max(c.backends, 1) {
			c.remove(id)
		}
	}
}

// take gives a table another name, and says whether it has it.
func (c *LocalCopies) take(id snapshot.Identity, path string) (kept localCopy, ok bool) {
	if c == nil {
		return kept, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept, ok = c.copies[id]; !ok || c.fs.Link(c.path(id), path) != nil {
		return kept, false
	}
	c.copies[id] = localCopy{used: c.snapshots, inherited: kept.inherited}
	return kept, true
}

// forget lets a table go, which may be what a restore failed of.
func (c *LocalCopies) forget(id snapshot.Identity) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.copies[id]; ok {
		c.remove(id)
	}
}

// remove removes a copy. One that stays on disk is found by the next process.
func (c *LocalCopies) remove(id snapshot.Identity) {
	_ = c.fs.Remove(c.path(id))
	delete(c.copies, id)
}
