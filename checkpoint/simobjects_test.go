package checkpoint

import (
	"context"
	"io"
	"slices"

	"github.com/weirstate/weir/snapshot"
)

// simObjects are Objects that call interrupt and fault before and after each operation. A fault
// after the operation hides that it took effect.
type simObjects struct {
	Objects
	interrupt func(name string)
	fault     func() error
}

// around runs an operation with its interrupts and faults.
func (o *simObjects) around(name string, run func() error) error {
	if err := o.fault(); err != nil {
		return err
	}
	o.interrupt(name)
	if err := run(); err != nil {
		return err
	}
	o.interrupt(name)
	return o.fault()
}

func (o *simObjects) Create(ctx context.Context, name string) (file snapshot.File, err error) {
	err = o.around(name, func() error {
		file, err = o.Objects.Create(ctx, name)
		return err
	})
	if err != nil && file != nil {
		_ = file.Abort()
	}
	return &simFile{File: file, o: o, name: name}, err
}

func (o *simObjects) Open(ctx context.Context, name string) (object snapshot.Object, err error) {
	err = o.around(name, func() error {
		object, err = o.Objects.Open(ctx, name)
		return err
	})
	return object, err
}

func (o *simObjects) List(ctx context.Context, prefix string) (objects []ObjectInfo, err error) {
	err = o.around(prefix, func() error {
		objects, err = o.Objects.List(ctx, prefix)
		return err
	})
	return objects, err
}

func (o *simObjects) Remove(ctx context.Context, name string) error {
	return o.around(name, func() error { return o.Objects.Remove(ctx, name) })
}

// Lock implements Locker.
func (o *simObjects) Lock(ctx context.Context, name string) (io.Closer, error) {
	return o.Objects.(Locker).Lock(ctx, name)
}

type simFile struct {
	snapshot.File
	o    *simObjects
	name string
}

func (f *simFile) Commit() error { return f.o.around(f.name, f.File.Commit) }

// simStore adds the optional methods of an object store to simObjects.
type simStore struct {
	*simObjects
	packBytes int64
}

// PackBytes implements Packer.
func (o simStore) PackBytes() int64 { return o.packBytes }

// List implements Objects. Like that of S3, it does not return unfinished objects.
func (o simStore) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	objects, err := o.simObjects.List(ctx, prefix)
	return slices.DeleteFunc(objects, func(o ObjectInfo) bool { return o.Unfinished }), err
}

// ListUnfinished implements UnfinishedLister.
func (o simStore) ListUnfinished(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	objects, err := o.simObjects.List(ctx, prefix)
	return slices.DeleteFunc(objects, func(o ObjectInfo) bool { return !o.Unfinished }), err
}

// RemoveAll implements BatchRemover. A fault stops it, so that it removes some of the objects.
func (o simStore) RemoveAll(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := o.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
