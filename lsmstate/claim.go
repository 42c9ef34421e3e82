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

// Names of the lock and of the marker files. Files are removed only in a directory with a marker.
// The content of a marker is for people.
const (
	lockName      = "LOCK"
	backendMarker = "WEIR-BACKEND"
	copiesMarker  = "WEIR-COPIES"
)

const markerText = "This directory belongs to a state backend of Weir, which removes its files at any time.\n"

// claim locks and marks directories of one kind: of backends or of local copies.
type claim struct {
	fs     vfs.FS
	marker string
	// checkUnmarked checks a directory with a lock and without a marker. It returns nil if
	// an earlier version, which made no markers, has made all of its entries.
	checkUnmarked func(dir string, names []string) error
}

// claimTries is the number of attempts to make and lock a directory, which another process may
// remove in between (RemoveLeftovers).
const claimTries = 10

// acquire makes a directory if it is missing, locks it and marks it. It returns ErrNotStore, and
// changes nothing, if the directory has other files and no marker.
func (c claim) acquire(dir string) (path string, lock vfs.Lock, err error) {
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

// lock makes and locks a directory. It returns fs.ErrNotExist if the directory was removed in between.
func (c claim) lock(path string) (vfs.Lock, error) {
	if _, err := c.check(path); err != nil {
		return nil, err
	}
	if err := c.fs.MkdirAll(path); err != nil {
		return nil, err
	}
	return c.fs.Lock(filepath.Join(path, lockName))
}

// check reports whether a directory has a marker. It returns ErrNotStore if the directory has files
// of somebody else.
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
	err = fmt.Errorf("directory %s has an entry %s and no marker %s; use an empty or missing directory, or move its entries: %w",
		path, others[0], c.marker, ErrNotStore)
	if slices.Contains(names, lockName) {
		if reason := c.checkUnmarked(path, others); reason != nil {
			return false, fmt.Errorf("%w (it was not made by an earlier version either: %w)", err, reason)
		}
		return false, nil
	}
	return false, err
}

// isTemp reports whether a name is the temporary name of a marker that is being published.
func isTemp(marker, name string) bool {
	return strings.HasPrefix(name, marker+".") && strings.HasSuffix(name, durable.TempSuffix)
}

// removeTemps removes the temporary files of markers that were never published.
func removeTemps(fsys vfs.FS, path, marker string) error {
	names, err := fsys.List(path)
	for _, name := range names {
		if isTemp(marker, name) {
			err = errors.Join(err, ignoreMissing(confine.RemoveFile(fsys, filepath.Join(path, name))))
		}
	}
	return err
}

// mark publishes the marker durably: without it nobody would remove the backend's files after a
// crash. It replaces an existing marker, so that a cleaner of old files does not remove the
// marker before the other files.
func (c claim) mark(path string) error {
	if _, err := c.check(path); err != nil {
		return err
	}
	return durable.Publish(c.fs, filepath.Join(path, c.marker), func(to io.Writer) error {
		_, err := io.WriteString(to, markerText)
		return err
	})
}

// backendClaim claims directories of backends. The directory of an earlier version has an empty
// lock, a tree with the split function of a backend, and perhaps a staging directory.
func backendClaim(fsys vfs.FS) claim {
	return claim{fsys, backendMarker, func(dir string, names []string) error {
		for _, name := range names {
			if name != treeName && name != stagingName {
				return foreignEntry(dir, name)
			}
		}
		return errors.Join(checkUnmarkedLock(fsys, dir), checkUnmarkedTree(fsys, dir), checkUnmarkedStaging(fsys, dir))
	}}
}

// checkUnmarkedLock returns ErrNotStore unless the lock is an empty regular file.
func checkUnmarkedLock(fsys vfs.FS, dir string) error {
	info, err := fsys.Lstat(filepath.Join(dir, lockName))
	if err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
		err = fmt.Errorf("%s is not an empty regular file: %w", lockName, ErrNotStore)
	}
	return err
}

// checkUnmarkedTree returns ErrNotStore unless the tree has the split function of a backend.
func checkUnmarkedTree(fsys vfs.FS, dir string) error {
	split, err := lsm.SplitOf(context.Background(), filepath.Join(dir, treeName), lsm.Options{FS: fsys})
	if err == nil {
		_, err = Split(split)
	}
	return err
}

// checkUnmarkedStaging returns ErrNotStore if the staging directory has entries that no restore
// makes.
func checkUnmarkedStaging(fsys vfs.FS, dir string) error {
	staging := filepath.Join(dir, stagingName)
	names, err := fsys.List(staging)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if !isStagedName(name) {
			return foreignEntry(staging, name)
		}
		info, err := fsys.Lstat(filepath.Join(staging, name))
		if err == nil {
			err = vfs.CheckRegular(info)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(staging, name), err)
		}
	}
	return err
}

// copiesClaim claims directories of local copies. The directory of an earlier version has a lock
// and copies.
func copiesClaim(fsys vfs.FS) claim {
	return claim{fsys, copiesMarker, func(dir string, names []string) error {
		for _, name := range names {
			if _, ok := parseCopy(name); !ok {
				return foreignEntry(dir, name)
			}
		}
		return checkUnmarkedLock(fsys, dir)
	}}
}

// parseCopy returns the identity that is the name of a copy.
func parseCopy(name string) (snapshot.Identity, bool) {
	id, err := vfs.ParseIdentity(name)
	return id, err == nil
}
