package hdfsstore

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// listing is a List in progress. It visits the directories level by level, and the children of one
// level at the same time.
type listing struct {
	s   *Store
	ctx context.Context

	mu      sync.Mutex
	objects []checkpoint.ObjectInfo
	next    []string // folders of the next level
	err     error    // the first error
}

// List implements checkpoint.Objects. A folder is returned as Irregular, like a file that is no
// object. The listing is not a snapshot: of objects that are committed or removed during the call it
// may have some and not others.
func (s *Store) List(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
	if prefix != "" {
		if err := checkpoint.CheckObjectName(strings.TrimSuffix(prefix, "/")); err != nil {
			return nil, s.fail("list", "", err)
		}
	}
	dir, start := path.Split(prefix)
	l := &listing{s: s, ctx: ctx}
	children, err := l.children(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		err = s.do(ctx, s.checkRoot)
		return nil, s.fail("list", dir, err)
	}
	if err != nil {
		return nil, s.fail("list", dir, err)
	}
	l.visit(dir, start, children)
	for len(l.next) > 0 && l.err == nil {
		folders := l.next
		l.next = nil
		parallel(len(folders), func(i int) {
			children, err := l.children(folders[i])
			if err != nil {
				l.fail(folders[i], ignoreMissing(err)) // removed since the listing
				return
			}
			l.visit(folders[i], "", children)
		})
	}
	if l.err != nil {
		return nil, l.err
	}
	slices.SortFunc(l.objects, func(a, b checkpoint.ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return l.objects, nil
}

// children returns the content of a folder.
func (l *listing) children(dir string) (children []status, err error) {
	err = l.s.do(l.ctx, func(c client) error {
		children, err = c.list(l.s.path(dir))
		return err
	})
	return children, err
}

// visit adds the children of a folder whose names begin with start. dir is empty or ends with a
// slash.
func (l *listing) visit(dir, start string, children []status) {
	var folders []status // perhaps objects
	for _, child := range children {
		of, unfinished := createdAs(child.name)
		if !strings.HasPrefix(of, start) || snapshot.CheckName(of) != nil {
			continue
		}
		o := checkpoint.ObjectInfo{Name: dir + child.name}
		if unfinished {
			o.Unfinished, o.Of = true, dir+of
		}
		switch {
		case !child.IsDir():
			o.Irregular = l.s.irregularFile()
		case !unfinished:
			folders = append(folders, child)
			continue
		}
		l.add(o)
	}
	parallel(len(folders), func(i int) { l.visitDir(dir+folders[i].name, folders[i]) })
}

// visitDir adds a directory: as an object, as a folder, or as both.
func (l *listing) visitDir(name string, found status) {
	if found.children > 0 {
		var file status
		err := l.s.do(l.ctx, func(c client) (err error) {
			file, err = c.stat(path.Join(l.s.path(name), objectFile))
			return err
		})
		isObject := err == nil && !file.IsDir()
		if isObject {
			l.add(checkpoint.ObjectInfo{Name: name, Size: file.size})
		}
		if isObject && found.children == 1 {
			return
		}
		if err = ignoreMissing(err); err != nil {
			l.fail(name, err)
			return
		}
		l.mu.Lock()
		l.next = append(l.next, name+"/")
		l.mu.Unlock()
		if isObject {
			return
		}
	}
	l.add(checkpoint.ObjectInfo{Name: name, Irregular: vfs.CheckRegular(found)})
}

// add adds an object to the result.
func (l *listing) add(o checkpoint.ObjectInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects = append(l.objects, o)
}

// fail remembers the first error of the listing.
func (l *listing) fail(name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.s.fail("list", name, err)
	}
}

// parallelCalls is the number of calls that List and RemoveAll have in progress. The NameNode has
// 10 handlers by default for all its clients.
const parallelCalls = 4

// parallel calls do for 0 to n-1, some at the same time.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallelCalls)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			do(i)
			<-slots
		})
	}
	wg.Wait()
}
