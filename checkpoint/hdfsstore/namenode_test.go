package hdfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// exception is an exception of a NameNode.
type exception struct{ class, message string }

func (e exception) Error() string     { return "call failed with ERROR_APPLICATION (" + e.class + ")" }
func (e exception) Method() string    { return "call" }
func (e exception) Desc() string      { return "ERROR_APPLICATION" }
func (e exception) Exception() string { return e.class }
func (e exception) Message() string   { return e.message + "\n\tat org.apache.hadoop.Stack(Trace.java)" }

var (
	errConnection = errors.New("connection reset by peer")
	safeMode      = exception{classSafeMode, "Cannot create /x. Name node is in safe mode."}
)

// fakeNode is a NameNode in memory, with DataNodes. assumptions_test.go compares it with a real one.
//
// Each call has a number, from 0. before and after can make it fail: an error from before has no
// effect, an error from after hides that the call took effect.
type fakeNode struct {
	before, after func(call int, method string) error
	protected     bool

	mu    sync.Mutex
	nodes map[string]*inode // by path; "/" exists
	ids   uint64
	calls []string // methods
	open  int      // clients that are not closed
}

// inode is a file or directory.
type inode struct {
	id     uint64
	dir    bool
	data   []byte
	writer *fakeWriter // while it is being written
	coded  bool        // erasure coded
	secret bool        // in an encryption zone
}

func newFakeNode() *fakeNode {
	return &fakeNode{nodes: map[string]*inode{"/": {id: 1, dir: true}}, ids: 1}
}

// dial returns a session on the fake.
func (n *fakeNode) dial(ctx context.Context) (*session, error) {
	c := &fakeClient{node: n, killed: make(chan struct{})}
	kill := sync.OnceFunc(func() { close(c.killed) })
	stop := context.AfterFunc(ctx, kill)
	err := c.call("dial", func() error { return nil })
	if !stop() {
		return nil, stopped{cause: context.Cause(ctx)}
	}
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.open++
	n.mu.Unlock()
	return &session{
		client: c, kill: kill, isBroken: c.isBroken,
		isHopeless:    func() bool { return false },
		takeDataError: func() error { return nil },
	}, nil
}

// store returns a Store on the fake.
func (n *fakeNode) store(attempts int) *Store {
	s := newStore(Options{
		NameNodes: []string{"namenode:8020"}, Path: "/root", Timeout: time.Minute, Attempts: attempts,
	}, n.dial)
	s.heldBytes = heldBytes
	return s
}

// failOnce makes one call fail, and returns whether that has happened. Other methods than those
// given do not fail.
func (n *fakeNode) failOnce(number int, before, after error, methods []string) *atomic.Bool {
	hit := new(atomic.Bool)
	fail := func(err error) func(int, string) error {
		return func(call int, method string) error {
			if err == nil || call != number || methods != nil && !slices.Contains(methods, method) {
				return nil
			}
			hit.Store(true)
			return err
		}
	}
	n.before, n.after = fail(before), fail(after)
	return hit
}

// children returns the names in a directory. The mutex is held.
func (n *fakeNode) children(dir string) (names []string) {
	for p := range n.nodes {
		if p != "/" && path.Dir(p) == dir {
			names = append(names, path.Base(p))
		}
	}
	slices.Sort(names)
	return names
}

// paths returns all paths below the root of the store.
func (n *fakeNode) paths() (paths []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.nodes {
		if strings.HasPrefix(p, "/root/") {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// status describes the inode at a path. The mutex is held.
func (n *fakeNode) status(p string) (status, error) {
	i := n.nodes[p]
	if i == nil {
		return status{}, fs.ErrNotExist
	}
	s := status{name: path.Base(p), id: i.id, mode: fileMode, coded: i.coded, encrypted: i.secret}
	if i.dir {
		s.mode, s.children = dirMode|fs.ModeDir, len(n.children(p))
	} else if i.writer == nil {
		s.size = int64(len(i.data))
	}
	return s, nil
}

// checkParents returns an error if a parent of a path is a file. The mutex is held.
func (n *fakeNode) checkParents(p string) error {
	for p = path.Dir(p); p != "/"; p = path.Dir(p) {
		if i := n.nodes[p]; i != nil && !i.dir {
			return exception{"org.apache.hadoop.fs.ParentNotDirectoryException", p + " (is not a directory)"}
		}
	}
	return nil
}

// fakeClient is a client of a fakeNode.
type fakeClient struct {
	node   *fakeNode
	killed chan struct{}
	closed bool
	lost   bool // the connection has failed; under node.mu
}

func (c *fakeClient) isBroken() bool {
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	select {
	case <-c.killed:
		return true
	default:
		return c.lost
	}
}

// call runs a call. hang blocks it until the session is killed.
func (c *fakeClient) call(method string, do func() error) error {
	n := c.node
	n.mu.Lock()
	number := len(n.calls)
	n.calls = append(n.calls, method)
	lost := c.lost
	n.mu.Unlock()
	select {
	case <-c.killed:
		return errConnection
	default:
	}
	if lost {
		return errConnection
	}
	if n.before != nil {
		if err := n.before(number, method); err != nil {
			return c.failed(err)
		}
	}
	n.mu.Lock()
	err := do()
	n.mu.Unlock()
	if err == nil && n.after != nil {
		if err := n.after(number, method); err != nil {
			return c.failed(err)
		}
	}
	return err
}

// errHang makes a call wait until its session is killed.
var errHang = errors.New("hang")

func (c *fakeClient) failed(err error) error {
	if errors.Is(err, errHang) {
		<-c.killed
		err = errConnection
	}
	if !hasAnswered(err) {
		c.node.mu.Lock()
		c.lost = true
		c.node.mu.Unlock()
	}
	return err
}

func (c *fakeClient) stat(p string) (s status, err error) {
	err = c.call("stat", func() error {
		s, err = c.node.status(p)
		return err
	})
	return s, err
}

func (c *fakeClient) list(p string) (children []status, err error) {
	err = c.call("list", func() error {
		switch i := c.node.nodes[p]; {
		case i == nil:
			return fs.ErrNotExist
		case !i.dir:
			return syscall.ENOTDIR
		}
		children = nil
		for _, name := range c.node.children(p) {
			child, err := c.node.status(path.Join(p, name))
			if err != nil {
				return err
			}
			children = append(children, child)
		}
		return nil
	})
	return children, err
}

func (c *fakeClient) makeDirs(p string) error {
	return c.call("makeDirs", func() error {
		if i := c.node.nodes[p]; i != nil && !i.dir {
			return fs.ErrExist
		}
		if err := c.node.checkParents(p); err != nil {
			return err
		}
		for ; c.node.nodes[p] == nil; p = path.Dir(p) {
			c.node.add(p, &inode{dir: true})
		}
		return nil
	})
}

// add adds an inode with a new number. The mutex is held.
func (n *fakeNode) add(p string, i *inode) {
	n.ids++
	i.id = n.ids
	n.nodes[p] = i
}

func (c *fakeClient) create(p string) (w fileWriter, err error) {
	err = c.call("create", func() error {
		switch {
		case c.node.nodes[p] != nil:
			return fs.ErrExist
		case c.node.nodes[path.Dir(p)] == nil:
			return fs.ErrNotExist
		}
		if err := c.node.checkParents(p); err != nil {
			return err
		}
		writer := &fakeWriter{c: c}
		writer.inode = &inode{writer: writer}
		c.node.add(p, writer.inode)
		w = writer
		return nil
	})
	return w, err
}

func (c *fakeClient) open(p string) (r fileReader, err error) {
	err = c.call("open", func() error {
		s, err := c.node.status(p)
		if err == nil {
			r = &fakeReader{c: c, path: p, info: s}
		}
		return err
	})
	return r, err
}

func (c *fakeClient) rename(from, to string) error {
	return c.call("rename", func() error {
		n := c.node
		source, target := n.nodes[from], n.nodes[to]
		if source == nil {
			return fs.ErrNotExist
		}
		if target != nil {
			switch {
			case target.dir != source.dir:
				return exception{classRefused, "must both be directories"}
			case target.dir && len(n.children(to)) > 0:
				return exception{classRefused, "rename destination directory is not empty: " + to}
			}
		}
		if n.nodes[path.Dir(to)] == nil {
			return fs.ErrNotExist
		}
		if err := n.checkParents(to); err != nil {
			return err
		}
		for p, i := range n.nodes {
			if p == from || strings.HasPrefix(p, from+"/") {
				delete(n.nodes, p)
				n.nodes[to+strings.TrimPrefix(p, from)] = i
			}
		}
		return nil
	})
}

func (c *fakeClient) remove(p string) error {
	return c.call("remove", func() error {
		i := c.node.nodes[p]
		switch {
		case i == nil:
			return fs.ErrNotExist
		case len(c.node.children(p)) > 0:
			return syscall.ENOTEMPTY
		}
		delete(c.node.nodes, p)
		return nil
	})
}

func (c *fakeClient) removeTree(p string) error {
	return c.call("removeTree", func() error {
		for q := range c.node.nodes {
			if q == p || strings.HasPrefix(q, p+"/") {
				delete(c.node.nodes, q)
			}
		}
		return nil
	})
}

func (c *fakeClient) isProtected() (yes bool, err error) {
	err = c.call("isProtected", func() error {
		yes = c.node.protected
		return nil
	})
	return yes, err
}

func (c *fakeClient) close() error {
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.node.open--
	}
	return nil
}

// fakeWriter writes a file.
type fakeWriter struct {
	c     *fakeClient
	inode *inode
	held  bytes.Buffer
}

func (w *fakeWriter) Write(p []byte) (int, error) {
	err := w.c.call("write", func() error {
		w.held.Write(p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *fakeWriter) Close() error {
	return w.c.call("complete", func() error {
		if !slices.ContainsFunc(w.c.node.inodes(), func(i *inode) bool { return i == w.inode }) {
			return exception{classRefused, "The file belonged to does not exist or it is not under construction."}
		}
		w.inode.data, w.inode.writer = bytes.Clone(w.held.Bytes()), nil
		return nil
	})
}

// inodes returns all inodes. The mutex is held.
func (n *fakeNode) inodes() (all []*inode) {
	for _, i := range n.nodes {
		all = append(all, i)
	}
	return all
}

// fakeReader reads a file.
type fakeReader struct {
	c      *fakeClient
	path   string
	info   status
	offset int64
}

func (r *fakeReader) status() status { return r.info }

func (r *fakeReader) Read(p []byte) (count int, err error) {
	err = r.c.call("read", func() error {
		i := r.c.node.nodes[r.path]
		if i == nil || i.id != r.info.id {
			return exception{classMissing, "File does not exist"}
		}
		if r.offset >= r.info.size {
			return io.EOF
		}
		count = copy(p, i.data[r.offset:min(r.info.size, r.offset+64<<10)])
		r.offset += int64(count)
		return nil
	})
	return count, err
}

func (r *fakeReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, fmt.Errorf("whence %d", whence)
	}
	r.offset = offset
	return offset, nil
}

func (r *fakeReader) Close() error { return nil }

var _ hdfs.Error = exception{}
