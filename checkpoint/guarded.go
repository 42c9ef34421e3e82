package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// guarded are the Objects of a job whose lock is looked at before each change of
// them. When it is lost they change nothing any more.
//
// Thread safety: safe for concurrent use.
type guarded struct {
	Objects
	lock LockChecker

	mu   sync.Mutex
	lost error            // what Check has returned
	tell func(lost error) // is told once; nil is nobody
}

// guard guards objects by a lock, if that can tell whether it is still held.
func guard(objects Objects, lock any) Objects {
	if checker, ok := lock.(LockChecker); ok {
		return &guarded{Objects: objects, lock: checker}
	}
	return objects
}

// checkLock returns an error if the objects are guarded by a lock that is lost.
func checkLock(objects Objects) error {
	if g, ok := objects.(*guarded); ok {
		return g.check()
	}
	return nil
}

// check returns an error once the lock is lost, even if it should be found again.
func (g *guarded) check() error {
	g.mu.Lock()
	lost, tell := g.lost, g.tell
	if lost == nil {
		lost = g.lock.Check()
		g.lost = lost
	} else {
		tell = nil // it was told
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

// failed looks again after a change that has failed: the lock may be lost since the
// last look, and be the reason.
func (g *guarded) failed(err error) error {
	if err == nil {
		return nil
	}
	if lost := g.check(); lost != nil {
		return fmt.Errorf("%w: %w", lost, err)
	}
	return err
}

// Link implements linker.
func (g *guarded) Link(ctx context.Context, name, path string) error {
	if linker, ok := g.Objects.(linker); ok {
		return linker.Link(ctx, name, path)
	}
	return fmt.Errorf("link object %q: %w", name, errors.ErrUnsupported)
}

// guardedFile is a file of guarded objects being written.
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
