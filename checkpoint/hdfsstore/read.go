package hdfsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// object is an open object.
//
// Problem: the library reads a file through a cursor, which one goroutine may use, and a DataNode
// sends everything from the offset to the end of the block. A new request for each ReadAt would
// connect again each time.
//
// Idea: ReadAt looks for a cursor that stands at its offset, so one goroutine that reads the object
// in order reads one stream, which the DataNode and the kernel fill ahead of it. Several goroutines
// use a cursor each. A cursor at the end of the object is closed at once, and its session is free
// for others.
//
// Cost: Open and a read in order cost two calls of the NameNode up to 1 MiB, and three for a larger
// object. Every other read costs two, and a connection to a DataNode.
//
// Thread safety: safe for concurrent use.
type object struct {
	s      *Store
	name   string
	info   status
	ctx    context.Context // ends with the context of Open, and at Close
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	idle   []*cursor
	closed bool
}

// maxCursors is the number of cursors that an object keeps for reads that continue.
const maxCursors = 4

// cursor is a position in a file. It owns a session.
type cursor struct {
	*use
	in     fileReader
	offset int64
}

// Open implements checkpoint.Objects. Reads of the result return an error when ctx ends.
func (s *Store) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := checkpoint.CheckObjectName(name); err != nil {
		return nil, s.fail("open", name, err)
	}
	o := &object{s: s, name: name}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	err := s.retry(ctx, func() error {
		c, err := o.openFile()
		if err != nil {
			return err
		}
		o.info = c.in.status()
		// A small object is read at once. The cursor of a larger one would keep a session from
		// others until it is read.
		if o.info.size <= int64(s.heldBytes) {
			o.put(c)
		} else {
			c.close()
		}
		return nil
	})
	if err != nil {
		o.cancel(fs.ErrClosed)
		return nil, s.fail("open", name, err)
	}
	return o, nil
}

// openFile opens the file of the object, or says what is in its place.
func (o *object) openFile() (*cursor, error) {
	use, err := o.s.use(o.ctx)
	if err != nil {
		return nil, err
	}
	in, err := o.open(use.client)
	if err != nil {
		return nil, use.end(err)
	}
	c := &cursor{use: use, in: in}
	if err := checkFormat(in.status()); err != nil {
		return nil, c.drop(err)
	}
	return c, nil
}

// open opens the file of the object.
func (o *object) open(c client) (fileReader, error) {
	file := path.Join(o.s.path(o.name), objectFile)
	for {
		in, err := c.open(file)
		switch {
		case err == nil && !in.status().IsDir():
			return in, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return nil, err
		}
		err = o.s.explainMissing(c, o.name, err)
		if !errors.Is(err, errAppeared) {
			return nil, err
		}
	}
}

// explainMissing returns the error for an object whose file is missing, cannot be accessed, or is
// a directory. err is the error of the file.
func (s *Store) explainMissing(c client, name string, err error) error {
	p := s.path(name)
	found, lookErr := c.stat(p)
	switch {
	case errors.Is(lookErr, fs.ErrNotExist):
		if err := s.checkRoot(c); err != nil {
			return err
		}
		return fs.ErrNotExist
	case lookErr != nil:
		return lookErr
	case !found.IsDir():
		return s.irregularFile()
	case errors.Is(err, fs.ErrPermission):
		return err
	}
	if file, err := c.stat(path.Join(p, objectFile)); err == nil && !file.IsDir() {
		return errAppeared
	}
	return final{vfs.CheckRegular(found)}
}

// errAppeared means that an object was committed while Open looked for the reason why it is missing.
var errAppeared = errors.New("the object was committed just now")

// Size implements snapshot.Object.
func (o *object) Size() (int64, error) { return o.info.size, nil }

// ReadAt implements snapshot.Object.
func (o *object) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, o.s.fail("read", o.name, fmt.Errorf("offset %d: %w", offset, fs.ErrInvalid))
	}
	if o.ctx.Err() != nil {
		return 0, o.s.fail("read", o.name, stopped{cause: context.Cause(o.ctx)})
	}
	short := error(nil)
	if left := o.info.size - offset; int64(len(p)) > left {
		p, short = p[:max(left, 0)], io.EOF
	}
	for n < len(p) {
		progress := 0
		err := o.s.retry(o.ctx, func() (err error) {
			progress, err = o.readSome(p[n:], offset+int64(n))
			if progress > 0 {
				return nil // an error comes back with the next read
			}
			return err
		})
		n += progress
		if err != nil {
			return n, o.s.fail("read", o.name, err)
		}
	}
	return n, short
}

// readSome reads at least one byte, from a cursor at the offset or a new one.
func (o *object) readSome(p []byte, offset int64) (int, error) {
	c, err := o.take(offset)
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(c.in, p)
	c.offset += int64(n)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file ends before its size")
		}
		return n, c.drop(err)
	}
	o.put(c)
	return n, nil
}

// take returns a cursor at the offset.
func (o *object) take(offset int64) (*cursor, error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, stopped{cause: fs.ErrClosed}
	}
	for i, c := range o.idle {
		if c.offset == offset {
			o.idle = append(o.idle[:i], o.idle[i+1:]...)
			o.mu.Unlock()
			return c, nil
		}
	}
	o.mu.Unlock()
	return o.newCursor(offset)
}

// newCursor opens the file at an offset.
func (o *object) newCursor(offset int64) (*cursor, error) {
	c, err := o.openFile()
	if err != nil {
		return nil, err
	}
	if c.in.status().id != o.info.id {
		return nil, c.drop(final{errors.New("the object was removed and another one has its name")})
	}
	c.offset = offset
	if _, err := c.in.Seek(offset, io.SeekStart); err != nil {
		return nil, c.drop(err)
	}
	return c, nil
}

// put keeps a cursor for the next read, if there may be one that continues.
func (o *object) put(c *cursor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || c.offset == o.info.size {
		c.close()
		return
	}
	if len(o.idle) == maxCursors {
		o.idle[0].close()
		o.idle = o.idle[1:]
	}
	o.idle = append(o.idle, c)
}

// close closes a cursor that works; its session is free for others.
func (c *cursor) close() {
	_ = c.in.Close() // closes the connection to the DataNode
	_ = c.end(nil)
}

// drop closes a cursor that has failed, and returns the reason.
func (c *cursor) drop(reason error) error {
	_ = c.in.Close()
	return c.end(reason)
}

// Close implements snapshot.Object. Reads in progress return fs.ErrClosed.
func (o *object) Close() error {
	o.mu.Lock()
	idle := o.idle
	o.idle, o.closed = nil, true
	o.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
	o.cancel(fs.ErrClosed)
	return nil
}
