//go:build !windows

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the number of symbolic links that a name may lead through, as on Linux.
const maxLinks = 40

// Resolve implements FS.
func (Real) Resolve(name string) (string, error) {
	if name == "" {
		return "", &fs.PathError{Op: "resolve", Path: `""`, Err: errEmptyName}
	}
	if strings.ContainsRune(name, 0) {
		return "", &fs.PathError{Op: "resolve", Path: name, Err: fs.ErrInvalid}
	}
	r := resolution{at: "/"}
	if !strings.HasPrefix(name, "/") {
		wd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		r.push(wd)
		if err := r.walk(); err != nil { // Getwd returns $PWD, which may have links
			return "", &fs.PathError{Op: "resolve", Path: name, Err: err}
		}
	}
	r.push(name)
	if err := r.walk(); err != nil {
		return "", &fs.PathError{Op: "resolve", Path: name, Err: err}
	}
	return r.at, nil
}

// resolution is a walk along a path by the kernel's rules.
type resolution struct {
	at      string   // current path: absolute, without links
	pending []string // remaining elements, the next one last
	missing bool     // at does not exist
	links   int      // number of links followed
}

// push puts the elements of a path before the remaining ones.
func (r *resolution) push(path string) {
	elems := strings.Split(path, "/")
	for i := len(elems) - 1; i >= 0; i-- {
		r.pending = append(r.pending, elems[i])
	}
}

func (r *resolution) walk() error {
	for len(r.pending) > 0 {
		last := len(r.pending) - 1
		elem := r.pending[last]
		r.pending = r.pending[:last]
		if err := r.step(elem); err != nil {
			return err
		}
	}
	return nil
}

// step moves to the next element.
func (r *resolution) step(elem string) error {
	switch {
	case elem == ".." && r.missing:
		return syscall.ENOENT
	case elem == "..":
		r.at = filepath.Dir(r.at)
		return nil
	case elem == "" || elem == ".":
		return nil
	case r.missing:
		r.at = filepath.Join(r.at, elem)
		return nil
	}
	next := filepath.Join(r.at, elem)
	info, err := os.Lstat(next)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.missing = true
	case err != nil:
		return bare(err)
	case info.Mode()&fs.ModeSymlink != 0:
		return r.follow(next)
	case !info.IsDir() && len(r.pending) > 0:
		return syscall.ENOTDIR
	}
	r.at = next
	return nil
}

// follow moves to the target of a link. It refuses a link whose target does not exist, like
// mkdir(2), because nothing should be created through it.
func (r *resolution) follow(link string) error {
	if r.links++; r.links > maxLinks {
		return syscall.ELOOP
	}
	if _, err := os.Stat(link); err != nil {
		return bare(err)
	}
	target, err := os.Readlink(link)
	if err != nil {
		return bare(err)
	}
	if strings.HasPrefix(target, "/") {
		r.at = "/"
	}
	r.push(target)
	return nil
}

// bare returns the error inside a *fs.PathError.
func bare(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}
