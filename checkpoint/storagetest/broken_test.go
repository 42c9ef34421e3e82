package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs/vfstest"
)

// Each store below breaks one promise, and the check of this promise must fail.

// hooks is a store that replaces some operations of another one.
type hooks struct {
	checkpoint.Objects
	create func(ctx context.Context, name string) (snapshot.File, error)
	open   func(ctx context.Context, name string) (snapshot.Object, error)
	list   func(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error)
	remove func(ctx context.Context, name string) error
}

func (h hooks) Create(ctx context.Context, name string) (snapshot.File, error) {
	if h.create != nil {
		return h.create(ctx, name)
	}
	return h.Objects.Create(ctx, name)
}

func (h hooks) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if h.open != nil {
		return h.open(ctx, name)
	}
	return h.Objects.Open(ctx, name)
}

func (h hooks) List(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
	if h.list != nil {
		return h.list(ctx, prefix)
	}
	return h.Objects.List(ctx, prefix)
}

func (h hooks) Remove(ctx context.Context, name string) error {
	if h.remove != nil {
		return h.remove(ctx, name)
	}
	return h.Objects.Remove(ctx, name)
}

// fileHooks is a file that replaces some operations of another one.
type fileHooks struct {
	snapshot.File
	write  func([]byte) (int, error)
	commit func() error
	abort  func() error
}

func (f fileHooks) Write(p []byte) (int, error) {
	if f.write != nil {
		return f.write(p)
	}
	return f.File.Write(p)
}

func (f fileHooks) Commit() error {
	if f.commit != nil {
		return f.commit()
	}
	return f.File.Commit()
}

func (f fileHooks) Abort() error {
	if f.abort != nil {
		return f.abort()
	}
	return f.File.Abort()
}

// files returns a store whose files are changed.
func files(o checkpoint.Objects, change func(name string, f snapshot.File) snapshot.File) checkpoint.Objects {
	return hooks{Objects: o, create: func(ctx context.Context, name string) (snapshot.File, error) {
		f, err := o.Create(ctx, name)
		if err != nil {
			return nil, err
		}
		return change(name, f), nil
	}}
}

// objectHooks is an object that replaces ReadAt or Size of another one.
type objectHooks struct {
	snapshot.Object
	readAt func(p []byte, offset int64) (int, error)
	size   func() (int64, error)
}

func (o objectHooks) ReadAt(p []byte, offset int64) (int, error) {
	if o.readAt != nil {
		return o.readAt(p, offset)
	}
	return o.Object.ReadAt(p, offset)
}

func (o objectHooks) Size() (int64, error) {
	if o.size != nil {
		return o.size()
	}
	return o.Object.Size()
}

// opened returns a store whose open objects are changed.
func opened(o checkpoint.Objects, change func(snapshot.Object) snapshot.Object) checkpoint.Objects {
	return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
		object, err := o.Open(ctx, name)
		if err != nil {
			return nil, err
		}
		return change(object), nil
	}}
}

// listed returns a store whose listings are changed.
func listed(o checkpoint.Objects, change func(prefix string, listed []checkpoint.ObjectInfo) []checkpoint.ObjectInfo) checkpoint.Objects {
	return hooks{Objects: o, list: func(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
		objects, err := o.List(ctx, prefix)
		return change(prefix, objects), err
	}}
}

// withoutContext returns a context that does not end.
func withoutContext(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// brokenStores break one promise each. promise is the subtest that must fail; others may fail
// too.
var brokenStores = []struct {
	fault, promise string
	wrap           func(checkpoint.Objects) checkpoint.Objects
}{
	{"Create makes the name visible", "an object is visible only after its Commit", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(name string, f snapshot.File) snapshot.File {
			_ = tryPut(context.Background(), o, name, nil)
			return f
		})
	}},
	{"each opening sees an empty store", "an object is there when the store is opened again", func(checkpoint.Objects) checkpoint.Objects {
		return memory("")
	}},
	{"Commit replaces", "the first object with a name stays", func(o checkpoint.Objects) checkpoint.Objects { return replacing(o, nil) }},
	{"Commit looks, then replaces", "of concurrent creators of a name exactly one succeeds", func(o checkpoint.Objects) checkpoint.Objects {
		return replacing(o, func(name string) error {
			if object, err := o.Open(context.Background(), name); err == nil {
				_ = object.Close()
				return &fs.PathError{Op: "commit", Path: name, Err: fs.ErrExist}
			}
			for range 1000 {
				runtime.Gosched() // as long as a request takes
			}
			return nil
		})
	}},
	{"the last byte of a large object is lost", "objects of all sizes come back byte for byte", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(_ string, f snapshot.File) snapshot.File {
			return fileHooks{File: f, write: func(p []byte) (int, error) {
				if len(p) < 5<<20 {
					return f.Write(p)
				}
				_, err := f.Write(append(bytes.Clone(p[:len(p)-1]), 0))
				return len(p), err
			}}
		})
	}},
	{"an empty object is missing", "objects of all sizes come back byte for byte", func(o checkpoint.Objects) checkpoint.Objects {
		return listed(o, func(_ string, all []checkpoint.ObjectInfo) []checkpoint.ObjectInfo {
			return slices.DeleteFunc(all, func(o checkpoint.ObjectInfo) bool { return o.Size == 0 && o.Irregular == nil })
		})
	}},
	{"Write keeps the caller's bytes", "Abort leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(_ string, f snapshot.File) snapshot.File {
			var kept [][]byte
			return fileHooks{File: f,
				write:  func(p []byte) (int, error) { kept = append(kept, p); return len(p), nil },
				commit: func() error { _, err := f.Write(bytes.Join(kept, nil)); return errors.Join(err, f.Commit()) },
			}
		})
	}},
	{"the end of an object is io.ErrUnexpectedEOF", "ReadAt reads every range and returns io.EOF at the end", func(o checkpoint.Objects) checkpoint.Objects {
		return opened(o, func(o snapshot.Object) snapshot.Object {
			return objectHooks{Object: o, readAt: func(p []byte, offset int64) (int, error) {
				n, err := o.ReadAt(p, offset)
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return n, err
			}}
		})
	}},
	{"a short read has no error", "ReadAt reads every range and returns io.EOF at the end", func(o checkpoint.Objects) checkpoint.Objects {
		return opened(o, func(o snapshot.Object) snapshot.Object {
			return objectHooks{Object: o, readAt: func(p []byte, offset int64) (int, error) {
				n, err := o.ReadAt(p, offset)
				if err == io.EOF && n > 0 {
					err = nil
				}
				return n, err
			}}
		})
	}},
	{"reads share a position", "concurrent reads of one object do not disturb each other", func(o checkpoint.Objects) checkpoint.Objects {
		return opened(o, func(o snapshot.Object) snapshot.Object {
			var position atomic.Int64
			return objectHooks{Object: o, readAt: func(p []byte, offset int64) (int, error) {
				position.Store(offset)
				for range 100 {
					runtime.Gosched() // another reader moves the position
				}
				return o.ReadAt(p, position.Load())
			}}
		})
	}},
	{"Size is rounded to blocks", "ReadAt reads every range and returns io.EOF at the end", func(o checkpoint.Objects) checkpoint.Objects {
		return opened(o, func(o snapshot.Object) snapshot.Object {
			return objectHooks{Object: o, size: func() (int64, error) { n, err := o.Size(); return (n + 511) &^ 511, err }}
		})
	}},
	{"a missing object is empty", "a missing object is fs.ErrNotExist", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
			object, err := o.Open(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				return objectHooks{readAt: bytes.NewReader(nil).ReadAt, size: func() (int64, error) { return 0, nil }}, nil
			}
			return object, err
		}}
	}},
	{"names are cleaned", "an invalid name is snapshot.ErrName", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
			return o.Open(ctx, strings.ReplaceAll(name, "/../", "/"))
		}}
	}},
	{"an invalid name is not removed", "an invalid name is snapshot.ErrName", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, remove: func(ctx context.Context, name string) error {
			if err := o.Remove(ctx, name); !errors.Is(err, snapshot.ErrName) {
				return err
			}
			return nil
		}}
	}},
	{"long names are refused", "every valid name can be used", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, create: func(ctx context.Context, name string) (snapshot.File, error) {
			if len(name) > 500 {
				return nil, &fs.PathError{Op: "create", Path: name, Err: errors.New("name too long")}
			}
			return o.Create(ctx, name)
		}}
	}},
	{"all roots are one", "stores with different roots share nothing", func(checkpoint.Objects) checkpoint.Objects { return memory("one") }},
	{"List is not in order", "List returns the objects with a prefix in order", func(o checkpoint.Objects) checkpoint.Objects {
		return listed(o, func(_ string, all []checkpoint.ObjectInfo) []checkpoint.ObjectInfo {
			slices.Reverse(all)
			return all
		})
	}},
	{"a prefix is a folder", "List returns the objects with a prefix in order", func(o checkpoint.Objects) checkpoint.Objects {
		return listed(o, func(prefix string, all []checkpoint.ObjectInfo) []checkpoint.ObjectInfo {
			return slices.DeleteFunc(all, func(o checkpoint.ObjectInfo) bool {
				rest := strings.TrimPrefix(o.Name, strings.TrimSuffix(prefix, "/"))
				return prefix != "" && rest != "" && rest[0] != '/'
			})
		})
	}},
	{"List returns the first page", "List returns and RemoveAll removes more objects than fit on a page", func(o checkpoint.Objects) checkpoint.Objects {
		return listed(o, func(_ string, all []checkpoint.ObjectInfo) []checkpoint.ObjectInfo { return all[:min(len(all), 1000)] })
	}},
	{"RemoveAll removes the first page", "List returns and RemoveAll removes more objects than fit on a page", func(o checkpoint.Objects) checkpoint.Objects {
		return batchRemover{o, 1000, false}
	}},
	{"RemoveAll fails for missing objects", "RemoveAll removes objects as Remove does", func(o checkpoint.Objects) checkpoint.Objects {
		return batchRemover{o, 1 << 30, true}
	}},
	{"Remove removes what begins with the name", "Remove removes one object and accepts a missing one", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, remove: func(ctx context.Context, name string) error {
			err := o.Remove(ctx, name)
			if err == nil && !strings.Contains(name, "/.") {
				all, _ := o.List(ctx, name)
				for _, found := range all {
					err = errors.Join(err, o.Remove(ctx, found.Name))
				}
			}
			return err
		}}
	}},
	{"Remove of a missing object fails", "Remove removes one object and accepts a missing one", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, remove: func(ctx context.Context, name string) error {
			if object, err := o.Open(ctx, name); err == nil {
				_ = object.Close()
			} else if errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return o.Remove(ctx, name)
		}}
	}},
	{"Abort commits", "Abort leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(_ string, f snapshot.File) snapshot.File {
			return fileHooks{File: f, abort: func() error { _ = f.Commit(); return f.Abort() }}
		})
	}},
	{"Abort leaves the upload", "Abort leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(_ string, f snapshot.File) snapshot.File {
			return fileHooks{File: f, abort: func() error { return nil }}
		})
	}},
	{"Abort removes a committed object", "Abort after Commit does nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(name string, f snapshot.File) snapshot.File {
			committed := false
			return fileHooks{File: f,
				commit: func() error { err := f.Commit(); committed = err == nil; return err },
				abort: func() error {
					if committed {
						return o.Remove(context.Background(), name)
					}
					return f.Abort()
				}}
		})
	}},
	{"a second Commit succeeds", "a file that has ended refuses Write and Commit", func(o checkpoint.Objects) checkpoint.Objects {
		return files(o, func(_ string, f snapshot.File) snapshot.File {
			committed := false
			return fileHooks{File: f, commit: func() error {
				if committed {
					return nil
				}
				err := f.Commit()
				committed = err == nil
				return err
			}}
		})
	}},
	{"an unfinished object has the wrong name", "an unfinished object is listed as unfinished or leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return listed(o, func(_ string, all []checkpoint.ObjectInfo) []checkpoint.ObjectInfo {
			for i := range all {
				if all[i].Unfinished {
					all[i].Of += "0"
				}
			}
			return all
		})
	}},
	{"unfinished objects stay", "Remove removes unfinished objects", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, remove: func(ctx context.Context, name string) error {
			if strings.Contains(name, "/.") && strings.HasSuffix(name, ".tmp") {
				return nil
			}
			return o.Remove(ctx, name)
		}}
	}},
	{"contexts are ignored", "a canceled context ends an operation with its cause and no effect", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o,
			remove: func(ctx context.Context, name string) error { return o.Remove(withoutContext(ctx), name) },
		}
	}},
	{"a canceled Open finds nothing", "a canceled context ends an operation with its cause and no effect", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w: %w", context.Cause(ctx), fs.ErrNotExist)
			}
			return o.Open(ctx, name)
		}}
	}},
	{"a canceled upload commits a part", "a canceled upload leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, create: func(ctx context.Context, name string) (snapshot.File, error) {
			f, err := o.Create(ctx, name)
			return fileHooks{File: f, write: func(p []byte) (int, error) {
				if ctx.Err() != nil {
					return len(p), nil
				}
				return f.Write(p)
			}}, err
		}}
	}},
	{"a canceled upload cannot be aborted", "a canceled upload leaves nothing", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, create: func(ctx context.Context, name string) (snapshot.File, error) {
			f, err := o.Create(ctx, name)
			return fileHooks{File: f,
				commit: func() error { return errors.Join(context.Cause(ctx), f.Commit()) },
				abort: func() error {
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
					return f.Abort()
				}}, err
		}}
	}},
	{"errors name nothing", "an error names the object", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
			object, err := o.Open(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				err = fs.ErrNotExist
			}
			return object, err
		}}
	}},
	{"everyone gets the lock", "a lock has one owner until it is closed", func(o checkpoint.Objects) checkpoint.Objects {
		return brokenLocker{o, func(_ context.Context, o checkpoint.Objects, name string) (io.Closer, error) {
			return io.NopCloser(nil), nil
		}}
	}},
	{"the lock is an object", "a lock is no object", func(o checkpoint.Objects) checkpoint.Objects {
		return brokenLocker{o, func(ctx context.Context, o checkpoint.Objects, name string) (io.Closer, error) {
			_ = tryPut(ctx, o, name, nil)
			return o.(checkpoint.Locker).Lock(ctx, name)
		}}
	}},
	{"the store has no mutex", "many goroutines can use the store", func(o checkpoint.Objects) checkpoint.Objects {
		var working atomic.Int32
		return hooks{Objects: o, list: func(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
			defer working.Add(-1)
			if working.Add(1) > 1 {
				return nil, errors.New("the store is busy")
			}
			return o.List(ctx, prefix)
		}}
	}},
	{"shared files are lost", "a job completes, restores and retires checkpoints", func(o checkpoint.Objects) checkpoint.Objects {
		return hooks{Objects: o, open: func(ctx context.Context, name string) (snapshot.Object, error) {
			if strings.Contains(name, "/shared/") {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return o.Open(ctx, name)
		}}
	}},
	{"the third object of a name is empty", "random programs have the same results as with a map", func(o checkpoint.Objects) checkpoint.Objects {
		var mu sync.Mutex
		committed := make(map[string]int)
		return files(o, func(name string, f snapshot.File) snapshot.File {
			mu.Lock()
			defer mu.Unlock()
			if committed[name]++; committed[name] < 3 || !strings.HasPrefix(name, "job/c") {
				return f
			}
			return fileHooks{File: f, write: func(p []byte) (int, error) { return len(p), nil }}
		})
	}},
}

// replacing returns a store whose Commit replaces the object, unless check returns an error.
func replacing(o checkpoint.Objects, check func(name string) error) checkpoint.Objects {
	return hooks{Objects: o, create: func(ctx context.Context, name string) (snapshot.File, error) {
		if err := errors.Join(context.Cause(ctx), checkpoint.CheckObjectName(name)); err != nil {
			return nil, err
		}
		var content bytes.Buffer
		return fileHooks{write: content.Write, abort: func() error { return nil }, commit: func() error {
			if check != nil {
				if err := check(name); err != nil {
					return err
				}
			}
			for {
				if err := tryPut(ctx, o, name, content.Bytes()); !errors.Is(err, fs.ErrExist) {
					return err
				}
				if err := o.Remove(ctx, name); err != nil {
					return err
				}
			}
		}}, nil
	}}
}

// batchRemover is a BatchRemover that removes the first objects only, or fails for missing ones.
type batchRemover struct {
	checkpoint.Objects
	first int
	fails bool
}

func (b batchRemover) RemoveAll(ctx context.Context, names []string) error {
	for _, name := range names[:min(len(names), b.first)] {
		if b.fails {
			object, err := b.Open(ctx, name)
			if err != nil {
				return err
			}
			_ = object.Close()
		}
		if err := b.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// brokenLocker is a Locker with another Lock.
type brokenLocker struct {
	checkpoint.Objects
	lock func(ctx context.Context, o checkpoint.Objects, name string) (io.Closer, error)
}

func (b brokenLocker) Lock(ctx context.Context, name string) (io.Closer, error) {
	if err := errors.Join(context.Cause(ctx), checkpoint.CheckObjectName(name)); err != nil {
		return nil, err
	}
	return b.lock(ctx, b.Objects, name)
}

// stores are the stores in memory, by root.
var stores struct {
	sync.Mutex
	roots map[string]checkpoint.Objects
}

// memory returns the store with a root, or for the empty root a new one.
func memory(root string) checkpoint.Objects {
	stores.Lock()
	defer stores.Unlock()
	if o := stores.roots[root]; o != nil && root != "" {
		return o
	}
	files, err := checkpoint.FilesOn(vfstest.NewMem(vfstest.MemOptions{}), "root")
	if err != nil {
		panic(err)
	}
	if stores.roots == nil {
		stores.roots = make(map[string]checkpoint.Objects)
	}
	stores.roots[root] = files
	return files
}
