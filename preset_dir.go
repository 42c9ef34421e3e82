package weir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/vfs"
)

// backendPrefix begins the names of the directories of backends; a number follows.
const backendPrefix = "backend-"

// leftBehind tells of directories that are passed over, of each once.
//
// Thread safety: safe for concurrent use.
type leftBehind struct {
	mu   sync.Mutex
	tell func(error)
	told map[string]bool // by path
}

func (l *leftBehind) report(path string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tell == nil || l.told[path] {
		return
	}
	if l.told == nil {
		l.told = make(map[string]bool)
	}
	l.told[path] = true
	l.tell(fmt.Errorf("lsm preset: left behind: %w", err))
}

// removeLeftovers removes what crashes have left of backends. A directory that is in use,
// cannot be cleared or is not a backend's stays, and the others are cleared all the same.
func (t *treeOpener) removeLeftovers() {
	names, _ := vfs.Real{}.List(t.dir)
	for _, name := range names {
		number, ok := strings.CutPrefix(name, backendPrefix)
		if n, err := strconv.ParseUint(number, 10, 32); !ok || err != nil || strconv.FormatUint(n, 10) != number {
			continue
		}
		path := filepath.Join(t.dir, name)
		err := checkDirectory(path)
		if err == nil {
			err = lsmstate.RemoveLeftovers(path)
		}
		if err != nil && !errors.Is(err, lsmstate.ErrLocked) {
			t.leftBehind.report(path, err)
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
		return fmt.Errorf("directory %s: %w", path, err)
	}
	return nil
}

// maxClaims is how many directories of a kind there may be.
const maxClaims = 1 << 16

// claim opens the first numbered directory that nobody else has, in this process or
// another. One that has files and no marker is passed over: a cleaner of old files may have
// taken the marker, and a job that must not remove the rest can still work beside it.
func (t *treeOpener) claim(name string, open func(dir string) error) error {
	for i := range maxClaims {
		path := filepath.Join(t.dir, name+strconv.Itoa(i))
		err := checkDirectory(path)
		if err == nil {
			err = open(path)
		}
		switch {
		case errors.Is(err, lsmstate.ErrLocked):
		case errors.Is(err, lsmstate.ErrNotStore):
			t.leftBehind.report(path, err)
		default:
			return err
		}
	}
	return fmt.Errorf("directory %s has %d directories %s* that cannot be used: %w", t.dir, maxClaims, name, lsmstate.ErrLocked)
}
