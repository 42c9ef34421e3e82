package hdfsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"time"

	"github.com/colinmarc/hdfs/v2"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/snapshot"
)

const (
	// defaultHeldBytes is the size up to which an object is held in memory and can be written
	// again after an error.
	defaultHeldBytes = 1 << 20
	// pieceBytes is the size of the pieces that the library gets. It copies each into a buffer
	// and sends packets of 64 KiB.
	pieceBytes = 64 << 10
	// maxCloseWait is the longest wait between two questions whether a file is complete, and the
	// first wait of Hadoop's own client.
	maxCloseWait = 400 * time.Millisecond
	// removeTime limits how long Abort takes, also after its context has ended. A NameNode that
	// works needs milliseconds; for another, the leftovers are collected later.
	removeTime = 2 * time.Second
)

// file is an object that is being written: see Store.
//
// Thread safety: one goroutine.
type file struct {
	s    *Store
	ctx  context.Context
	name string

	held   []byte  // the content, until upload is set
	upload *upload // the current attempt to write the content, or nil
	temps  []string
	err    error // of the upload
	tried  bool  // Commit was called
	ended  bool  // Commit succeeded, or Abort was called
}

// Create implements checkpoint.Objects. Write and Commit of the result return an error when ctx
// ends.
func (s *Store) Create(ctx context.Context, name string) (snapshot.File, error) {
	err := checkpoint.CheckObjectName(name)
	if err == nil && ctx.Err() != nil {
		err = stopped{cause: context.Cause(ctx)}
	}
	if err != nil {
		return nil, s.fail("create", name, err)
	}
	return &file{s: s, ctx: ctx, name: name}, nil
}

// Write implements snapshot.File.
func (f *file) Write(p []byte) (int, error) {
	switch {
	case f.ended || f.tried:
		return 0, f.s.fail("create", f.name, stopped{cause: fs.ErrClosed})
	case f.err != nil:
		return 0, f.err
	case f.upload == nil && len(f.held)+len(p) <= f.s.heldBytes:
		f.held = append(f.held, p...)
		return len(p), nil
	case f.upload == nil:
		f.err = f.s.fail("create", f.name, f.send())
		f.held = nil
		if f.err != nil {
			return 0, f.err
		}
	}
	n, err := f.upload.write(p)
	if err != nil {
		f.err = f.s.fail("create", f.name, f.upload.discard(err))
		return n, f.err
	}
	return n, nil
}

// send begins to write the held content to DataNodes. It tries again after an error, with another
// temporary name.
func (f *file) send() error {
	return f.s.retry(f.ctx, func() error {
		if err := f.start(); err != nil {
			return err
		}
		if _, err := f.upload.write(f.held); err != nil {
			return f.upload.discard(err)
		}
		return nil
	})
}

// start makes the temporary directory and its file.
func (f *file) start() error {
	use, err := f.s.use(f.ctx)
	if err != nil {
		return err
	}
	_ = use.takeDataError()
	dir, base := path.Split(f.s.path(f.name))
	temp := fmt.Sprintf("%s.%s.%08x%s", dir, base, rand.Uint32(), durable.TempSuffix)
	f.temps = append(f.temps, temp)
	err = use.client.makeDirs(temp)
	var out fileWriter
	if err == nil {
		out, err = use.client.create(path.Join(temp, objectFile))
	}
	if err != nil {
		return hideExistence(use.end(err))
	}
	f.upload = &upload{use: use, out: out, temp: temp}
	return nil
}

// hideExistence turns fs.ErrExist and fs.ErrNotExist of a temporary name into errors that do not
// say this of the object.
func hideExistence(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return final{fmt.Errorf("another process has changed the unfinished object: %v", err)}
	}
	return err
}

// Commit implements snapshot.File.
func (f *file) Commit() error {
	if f.ended || f.tried {
		return f.s.fail("commit", f.name, stopped{cause: fs.ErrClosed})
	}
	f.tried = true
	if f.err != nil {
		return f.err
	}
	var (
		done status
		err  error
	)
	if f.upload == nil {
		err = f.s.retry(f.ctx, func() (err error) {
			if err = f.start(); err != nil {
				return err
			}
			if _, err = f.upload.write(f.held); err != nil {
				return f.upload.discard(err)
			}
			done, err = f.upload.complete(f.s.options.Timeout)
			return err
		})
	} else {
		done, err = f.upload.complete(f.s.options.Timeout)
	}
	if err == nil {
		err = f.publish(done.id)
	}
	if err != nil {
		f.err = f.s.fail("commit", f.name, err)
		return f.err
	}
	f.ended = true
	f.held = nil
	f.removeTemps(f.upload.temp)
	return nil
}

// errTaken means that something else has the name of the object.
var errTaken = fmt.Errorf("the name is taken: %w", fs.ErrExist)

// publish renames the temporary directory to the name of the object. id is the inode of its file.
//
// The answer of the NameNode may be lost after it has renamed the directory. So after each error
// publish looks which file has the name: this one, another, or none.
func (f *file) publish(id uint64) error {
	from, to := f.upload.temp, f.s.path(f.name)
	return f.s.retry(f.ctx, func() error {
		err := f.s.once(f.ctx, func(c client) error { return c.rename(from, to) })
		if err == nil || isStopped(err) {
			return err
		}
		return f.s.once(f.ctx, func(c client) error {
			found, lookErr := c.stat(path.Join(to, objectFile))
			switch {
			case lookErr == nil && found.id == id:
				return nil
			case lookErr == nil:
				return errTaken
			case !errors.Is(lookErr, fs.ErrNotExist) && !errors.Is(lookErr, fs.ErrPermission):
				return lookErr
			}
			_, lookErr = c.stat(to)
			switch {
			case lookErr == nil && answer(err) != nil && answer(err).Exception() == classRefused:
				return errTaken // by a file or a folder
			case lookErr != nil && !errors.Is(lookErr, fs.ErrNotExist):
				return lookErr
			}
			return hideExistence(err)
		})
	})
}

// Abort implements snapshot.File. It takes at most 2 seconds, also if the context of Create has
// ended. If Commit failed because its answer was lost or its context ended, the object may exist.
func (f *file) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	f.held = nil
	if f.upload != nil {
		_ = f.upload.discard(context.Canceled)
	}
	return f.s.fail("remove", f.name, f.removeTemps(""))
}

// removeTemps removes the temporary directories but one, and folders that are empty then.
func (f *file) removeTemps(except string) error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), removeTime)
	defer cancel()
	for _, temp := range f.temps {
		if temp != except {
			errs = append(errs, f.s.do(ctx, func(c client) error { return c.removeTree(temp) }))
		}
	}
	if len(errs) > 0 && except == "" {
		f.s.removeEmpty(ctx, path.Dir(f.name))
	}
	return errors.Join(errs...)
}

// upload is one attempt to write a file. It owns a session until it has ended.
type upload struct {
	*use
	out   fileWriter
	temp  string // path of the temporary directory
	size  int64  // bytes written
	ended bool
}

// write writes p in pieces. An error is final for the upload: after a refused block the library has
// forgotten the previous one, and the NameNode does not give it another block.
func (u *upload) write(p []byte) (written int, err error) {
	for len(p) > 0 {
		// The library notices a failed DataNode only at the end of a block.
		if err := u.takeDataError(); err != nil {
			return written, err
		}
		piece := p[:min(len(p), pieceBytes-int(u.size%pieceBytes))]
		n, err := u.out.Write(piece)
		written += n
		u.size += int64(n)
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// complete completes the file, which may take several calls: the NameNode waits until DataNodes
// have reported the last block. It returns the description of the file, and ends the upload.
func (u *upload) complete(limit time.Duration) (status, error) {
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, maxCloseWait) {
		err := u.out.Close()
		if err == nil {
			break
		}
		// An error without a PathError is of the step before the last: the library can do it
		// again.
		var last *fs.PathError
		again := errors.Is(err, hdfs.ErrReplicating) || answer(err) != nil && isTransient(err) && !errors.As(err, &last)
		if !again || time.Since(began) > limit {
			return status{}, u.discard(err)
		}
		if ended := wait(u.ctx, pause); ended != nil {
			return status{}, u.discard(ended)
		}
	}
	if err := u.takeDataError(); err != nil {
		return status{}, u.discard(err)
	}
	done, err := u.client.stat(path.Join(u.temp, objectFile))
	if err == nil {
		if err = checkFormat(done); err == nil && done.size != u.size {
			err = final{fmt.Errorf("HDFS has %d bytes of the object, want %d", done.size, u.size)}
		}
	}
	u.ended = true
	return done, hideExistence(u.end(err))
}

// discard ends a failed upload. The session is not used again, so its lease on the file ends soon
// after. It returns the reason.
func (u *upload) discard(reason error) error {
	if u.ended {
		return reason
	}
	u.ended = true
	if !u.stop() {
		reason = stopped{cause: context.Cause(u.ctx)}
	}
	u.kill()
	_ = u.out.Close() // ends the library's goroutines
	u.session.close()
	return reason
}
