package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
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
	// earlier returns nil if the entries of a directory with a lock and no marker are
	// those of an earlier version, which made none, and else why not.
	earlier func(dir string, names []string) error
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
			return false, fmt.Errorf("marker %s: %w", filepath.Join(path, c.marker), err)
		}
		return true, nil
	}
	others := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return name == lockName || isTemp(c.marker, name)
	})
	if len(others) == 0 {
		return false, nil
	}
	err = fmt.Errorf("directory %s has an entry %s and no file %s; use one that is empty or missing, or move what it has: %w",
		path, others[0], c.marker, ErrNotStore)
	if slices.Contains(names, lockName) {
		if reason := c.earlier(path, others); reason != nil {
			return false, fmt.Errorf("%w (not of an earlier version either: %w)", err, reason)
		}
		return false, nil
	}
	return false, err
}

// isTemp reports whether a name is that of a marker before it is published.
func isTemp(marker, name string) bool {
	return strings.HasPrefix(name, marker+".") && strings.HasSuffix(name, durable.TempSuffix)
}

// removeTemps removes markers that were never published.
func removeTemps(fsys vfs.FS, path, marker string) error {
	names, err := fsys.List(path)
	for _, name := range names {
		if isTemp(marker, name) {
			err = errors.Join(err, ignoreMissing(confine.RemoveFile(fsys, filepath.Join(path, name))))
		}
	}
	return err
}

// mark publishes the marker, durably: files of a backend would be somebody else's without
// it. One that is there is renewed, so that a cleaner that goes by age does not take it
// before the rest.
func (c claim) mark(path string) error {
	if _, err := c.check(path); err != nil {
		return err
	}
	return durable.Publish(c.fs, filepath.Join(path, c.marker), func(to io.Writer) error {
		_, err := io.WriteString(to, markerText)
		return err
	})
}

// claimOfBackends takes directories of backends. An earlier version has left an empty
// lock, a tree that is a store split as those of backends, and maybe what a restore had
// collected.
func claimOfBackends(fsys vfs.FS) claim {
	return claim{fsys, backendMarker, func(dir string, names []string) error {
		for _, name := range names {
			if name != treeName && name != stageName {
				return foreign(dir, name)
			}
		}
		return errors.Join(checkEarlierLock(fsys, dir), checkEarlierTree(fsys, dir), checkEarlierStage(fsys, dir))
	}}
}

// checkEarlierLock returns an error unless the lock is as backends make it.
func checkEarlierLock(fsys vfs.FS, dir string) error {
	info, err := fsys.Lstat(filepath.Join(dir, lockName))
	if err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
		err = fmt.Errorf("%s is no empty file: %w", lockName, ErrNotStore)
	}
	return err
}

// checkEarlierTree returns an error unless the tree is a store that a backend has made.
func checkEarlierTree(fsys vfs.FS, dir string) error {
	split, err := lsm.SplitOf(context.Background(), filepath.Join(dir, treeName), lsm.Options{FS: fsys})
	if err == nil {
		_, err = Split(split)
	}
	return err
}

// checkEarlierStage returns an error if a restore did not make all that is in its place.
func checkEarlierStage(fsys vfs.FS, dir string) error {
	stage := filepath.Join(dir, stageName)
	names, err := fsys.List(stage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if !isStaged(name) {
			return foreign(stage, name)
		}
		info, err := fsys.Lstat(filepath.Join(stage, name))
		if err == nil {
			err = vfs.CheckRegular(info)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(stage, name), err)
		}
	}
	return err
}

// claimOfCopies takes directories of copies. An earlier version has left a lock and
// copies.
func claimOfCopies(fsys vfs.FS) claim {
	return claim{fsys, copiesMarker, func(dir string, names []string) error {
		for _, name := range names {
			if _, ok := parseCopy(name); !ok {
				return foreign(dir, name)
			}
		}
		return checkEarlierLock(fsys, dir)
	}}
}

// parseCopy reads the name of a copy.
func parseCopy(name string) (snapshot.Identity, bool) {
	id, err := vfs.ParseIdentity(name)
	return id, err == nil
}
