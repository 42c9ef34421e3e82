package weir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/lsmstate"
)

// backendPrefix begins the names of the directories of backends; a number follows.
const backendPrefix = "backend-"

// removeLeftovers removes what crashes have left of backends. What is in use, cannot be
// removed or is not a backend's stays, and is not in the way of what can be.
func (t *treeOpener) removeLeftovers() {
	names, _ := vfs.Real{}.List(t.dir)
	for _, name := range names {
		number, ok := strings.CutPrefix(name, backendPrefix)
		if n, err := strconv.ParseUint(number, 10, 32); !ok || err != nil || strconv.FormatUint(n, 10) != number {
			continue
		}
		path := filepath.Join(t.dir, name)
		if checkDirectory(path) == nil {
			_ = lsmstate.RemoveLeftovers(path)
		}
	}
}

// checkDirectory returns an error if something else than a directory has a name, such as
// a symbolic link to one. Nothing may have it.
func checkDirectory(path string) error {
	info, err := vfs.Real{}.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = vfs.CheckDirectory(info)
	}
	if err != nil {
		return fmt.Errorf("directory %s: %w", filepath.Base(path), err)
	}
	return nil
}

// maxClaims is how many directories of a kind there may be.
const maxClaims = 1 << 16

// claim opens the first numbered directory that nobody else has, in this process or
// another.
func (t *treeOpener) claim(name string, open func(dir string) error) error {
	for i := range maxClaims {
		path := filepath.Join(t.dir, name+strconv.Itoa(i))
		err := checkDirectory(path)
		if err == nil {
			err = open(path)
		}
		if !errors.Is(err, lsmstate.ErrLocked) {
			return err
		}
	}
	return fmt.Errorf("%d directories %s* in one: %w", maxClaims, name, lsmstate.ErrLocked)
}
