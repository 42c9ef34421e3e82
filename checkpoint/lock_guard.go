package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// guarded wraps the Objects of a job and checks the job's lock before each change. After the
// lock is lost, nothing is created, committed or removed any more. The check and the change are
// two steps: a lock that is lost between them is noticed only if the change fails.
//
// Thread safety: safe for concurrent use.
type guarded struct {
	Objects
	lock LockChecker

	mu   sync.Mutex
	lost error            // nil, or the error with which the lock was found to be lost
	tell func(lost error) // called once when the lock is lost; may be nil
}

// guard wraps objects so that each change checks the lock. It returns objects unchanged if the
// lock is not a LockChecker.
func guard(objects Objects, lock any) Objects {
	if checker, ok := lock.(LockChecker); ok {
		return &guarded{Objects: objects, lock: checker}
	}
	return objects
}

// checkLock returns an error if the lock of the objects is lost, and nil if they are not
// guarded.
func checkLock(objects Objects) error {
	if g, ok := objects.(*guarded); ok {
		return g.check()
	}
	return nil
}

// check returns an error once the lock is lost. The loss is final: another process may have
// changed the folder in the meantime, even if the lock file is put back.
func (g *guarded) check() error {
	g.mu.Lock()
	lost, tell := g.lost, g.tell
	if lost == nil {
		lost = g.lock.Check()
		g.lost = lost
	} else {
		tell = nil // it has been called
	}
	g.mu.Unlock()
	if lost != nil && tell != nil {
		tell(lost)
	}
	return lost
}

// Create implements Objects.
func (g *guarded) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	file, err := g.Objects.Create(ctx, name)
	if err != nil {
		return nil, g.failed(err)
	}
	return &guardedFile{file, g}, nil
}

// Remove implements Objects.
func (g *guarded) Remove(ctx context.Context, name string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.failed(g.Objects.Remove(ctx, name))
}

// RemoveAll implements BatchRemover. If the objects are not a BatchRemover, it checks the lock before
// each removal.
func (g *guarded) RemoveAll(ctx context.Context, names []string) error {
	if batch, ok := g.Objects.(BatchRemover); ok {
		if err := g.check(); err != nil {
			return err
		}
		return g.failed(batch.RemoveAll(ctx, names))
	}
	return removeAll(ctx, struct{ Objects }{g}, names)
}

// failed checks the lock again after a change that failed, since the lost lock may be the
// reason.
func (g *guarded) failed(err error) error {
	if err == nil {
		return nil
	}
	if lost := g.check(); lost != nil {
		return fmt.Errorf("%w: %w", lost, err)
	}
	return err
}

// Link implements objectLinker. It changes nothing in the job's folder, so it does not check
// the lock.
func (g *guarded) Link(ctx context.Context, name, path string) error {
	if linker, ok := g.Objects.(objectLinker); ok {
		return linker.Link(ctx, name, path)
	}
	return fmt.Errorf("link object %q: %w", name, errors.ErrUnsupported)
}

// guardedFile is a file that checks the lock before it is committed.
type guardedFile struct {
	snapshot.File
	guarded *guarded
}

// Commit implements snapshot.File.
func (f *guardedFile) Commit() error {
	if err := f.guarded.check(); err != nil {
		return err
	}
	return f.guarded.failed(f.File.Commit())
}
