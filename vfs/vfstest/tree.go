package vfstest

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// The tree of a Mem maps names to nodes. The caller of these functions holds the mutex of the Mem.
// They return bare errors, to which the caller adds the operation and the name.

func (m *Mem) create(name string) (*file, error) {
	parent, base, err := m.findParent(name)
	if err != nil {
		return nil, err
	}
	if _, ok := parent.entries[base]; ok {
		return nil, fs.ErrExist
	}
	f := &file{}
	m.set(parent, base, f, nil)
	return f, nil
}

// set makes a name lead to n, or removes it if n is nil. If that removes the last name of a file
// without open handles, its space becomes free.
func (m *Mem) set(d *dir, base string, n node, after *change) *change {
	if f, ok := n.(*file); ok {
		f.links++
	}
	if f, ok := d.entries[base].(*file); ok {
		f.links--
		m.free(f)
	}
	return d.set(base, n, after)
}

// free subtracts the space of a file that has no name and no open handle.
func (m *Mem) free(f *file) {
	if f.links == 0 && f.handles == 0 {
		m.usedBytes -= int64(len(f.data))
	}
}

func (m *Mem) find(name string) (node, error) {
	elems := elements(name)
	if len(elems) == 0 {
		return m.root, nil
	}
	parent, base, err := m.findParent(name)
	if err != nil {
		return nil, err
	}
	n, ok := parent.entries[base]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return n, nil
}

func (m *Mem) findDir(name string) (*dir, error) {
	n, err := m.find(name)
	if err != nil {
		return nil, err
	}
	d, ok := n.(*dir)
	if !ok {
		return nil, syscall.ENOTDIR
	}
	return d, nil
}

// findParent returns the directory that has the name, or would have it.
func (m *Mem) findParent(name string) (parent *dir, base string, err error) {
	elems := elements(name)
	if len(elems) == 0 {
		return nil, "", fs.ErrInvalid // the root has no parent
	}
	parent, last := m.root, len(elems)-1
	for _, elem := range elems[:last] {
		switch n := parent.entries[elem].(type) {
		case nil:
			return nil, "", fs.ErrNotExist
		case *dir:
			parent = n
		default:
			return nil, "", syscall.ENOTDIR
		}
	}
	return parent, elems[last], nil
}

// resolve walks along a name that is not cleaned.
func (m *Mem) resolve(name string) (string, error) {
	if name == "" {
		return "", fs.ErrInvalid
	}
	at := "/"
	for _, elem := range strings.Split(filepath.ToSlash(name), "/") {
		n, err := m.find(at)
		_, isDir := n.(*dir)
		switch {
		case err == nil && !isDir:
			return "", syscall.ENOTDIR
		case err != nil && elem == "..":
			return "", err
		}
		at = path.Join(at, elem)
	}
	return at, nil
}

// elements returns the elements of a name after cleaning it. The root has no elements.
func elements(name string) []string {
	clean := path.Clean("/" + filepath.ToSlash(name))
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

// errEmptyName is the error of Resolve for an empty name.
var errEmptyName = fmt.Errorf("the name of the directory is empty: %w", fs.ErrInvalid)
