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

// The names of directories below LSMOptions.Dir: one of these and a number.
const (
	backendPrefix = "backend-"
	copiesPrefix  = "copies-"
)

// skippedDirectories reports each directory that the preset leaves alone to
// LSMOptions.LeftBehind, once.
//
// Thread safety: safe for concurrent use.
type skippedDirectories struct {
	mu       sync.Mutex
	callback func(error)     // LSMOptions.LeftBehind; may be nil
	reported map[string]bool // by path
}

// report calls the callback, unless it was called for path before.
func (s *skippedDirectories) report(path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.callback == nil || s.reported[path] {
		return
	}
	if s.reported == nil {
		s.reported = make(map[string]bool)
	}
	s.reported[path] = true
	s.callback(fmt.Errorf("lsm preset: left behind: %w", err))
}

// removeLeftovers empties the directories of crashed backends. It skips directories that
// another process uses, and reports those that it cannot empty or that no backend marked.
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
			t.skipped.report(path, err)
		}
	}
}

// checkDirectory returns an error if path exists and is not a directory. A symbolic link to
// a directory is an error too.
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

// maxNumberedDirectories limits the directories with one prefix below LSMOptions.Dir.
const maxNumberedDirectories = 1 << 16

// claimDirectory calls open with the paths prefix0, prefix1 and so on below t.dir until
// open succeeds or fails finally. It tries the next number if this or another process uses
// the directory. It also does so for a directory that has files but no marker: a cleaner of
// old files may have removed the marker, and the job can work in another directory without
// removing the rest.
func (t *treeOpener) claimDirectory(prefix string, open func(dir string) error) error {
	for i := range maxNumberedDirectories {
		path := filepath.Join(t.dir, prefix+strconv.Itoa(i))
		err := checkDirectory(path)
		if err == nil {
			err = open(path)
		}
		switch {
		case errors.Is(err, lsmstate.ErrLocked):
		case errors.Is(err, lsmstate.ErrNotStore):
			t.skipped.report(path, err)
		default:
			return err
		}
	}
	return fmt.Errorf("directory %s: none of %d directories %s<number> can be used: %w",
		t.dir, maxNumberedDirectories, prefix, lsmstate.ErrLocked)
}
