package lsmstate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/snapshot"
)

// Names of the files by which a directory is told from others. Only a directory with
// a marker is ever cleared. Their content is for people.
const (
	lockName      = "LOCK"
	backendMarker = "WEIR-BACKEND"
	copiesMarker  = "WEIR-COPIES"
)

const markerText = "This directory belongs to a state backend of Weir, which removes its files at any time.\n"

// claim takes directories of a kind.
type claim struct {
	fs     vfs.FS
	marker string
	// earlier reports whether the names in a directory without a marker are those
	// that an earlier version left, which made none.
	earlier func(dir string, names []string) bool
}

// claimTries is how often another process may remove a directory, as RemoveLeftovers
// does, between its making and its locking.
const claimTries = 10

// take makes a directory if it is missing, locks it and marks it. Any that has other
// files and no marker is ErrNotStore, and nothing is made there.
func (c claim) take(dir string) (path string, lock vfs.Lock, err error) {
	if path, err = c.fs.Resolve(dir); err != nil {
		return "", nil, err
	}
	for range claimTries {
		if lock, err = c.lock(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return "", nil, err
	}
	if err := c.mark(path); err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return path, lock, nil
}

func (c claim) lock(path string) (vfs.Lock, error) {
	if _, err := c.check(path); err != nil {
		return nil, err
	}
	if err := c.fs.MkdirAll(path); err != nil {
		return nil, err
	}
	return c.fs.Lock(filepath.Join(path, lockName))
}

// check returns ErrNotStore for a directory of somebody else, and reports whether
// this one has a marker.
func (c claim) check(path string) (marked bool, err error) {
	names, err := c.fs.List(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if slices.Contains(names, c.marker) {
		info, err := c.fs.Lstat(filepath.Join(path, c.marker))
		if err == nil {
			err = vfs.CheckRegular(info)
		}
		if err != nil {
			return false, fmt.Errorf("marker %s: %w", c.marker, err)
		}
		return true, nil
	}
	others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == lockName })
	if len(others) == 0 || len(others) < len(names) && c.earlier(path, others) {
		return false, nil
	}
	return false, fmt.Errorf("directory %s has %d entries and no file %s, use one that is empty or missing: %w",
		filepath.Base(path), len(others), c.marker, ErrNotStore)
}

// mark makes the marker, durably: what comes next would be somebody else's without. One
// that is there may have been made by a process that died before it was durable.
func (c claim) mark(path string) error {
	marked, err := c.check(path)
	if err == nil && !marked {
		err = c.makeMarker(path)
	}
	if err != nil {
		return err
	}
	return c.fs.SyncDir(path)
}

func (c claim) makeMarker(path string) error {
	f, err := c.fs.Create(filepath.Join(path, c.marker))
	if err != nil {
		return err
	}
	if _, err = f.Write([]byte(markerText)); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// claimOfBackends takes directories of backends. An earlier version has left a lock
// and a tree, and maybe what a restore had collected.
func claimOfBackends(fsys vfs.FS) claim {
	return claim{fsys, backendMarker, func(dir string, names []string) bool {
		if slices.ContainsFunc(names, func(name string) bool { return name != treeName && name != stageName }) {
			return false
		}
		info, err := fsys.Lstat(filepath.Join(dir, treeName, "CURRENT"))
		return err == nil && info.Mode().IsRegular()
	}}
}

// claimOfCopies takes directories of copies. An earlier version has left a lock and
// copies.
func claimOfCopies(fsys vfs.FS) claim {
	return claim{fsys, copiesMarker, func(_ string, names []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { _, ok := parseCopy(name); return !ok })
	}}
}

// parseCopy reads the name of a copy.
func parseCopy(name string) (id snapshot.Identity, ok bool) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return snapshot.Identity(b), true
}
