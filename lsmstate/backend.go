package lsmstate

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Backend is a backend on disk. It satisfies backend.ByteBackend and snapshot.NativeBackend.
//
// What methods return is good until the next call of any.
//
// Thread safety: the task's goroutine only, but for Metrics; a View may be read by another.
type Backend struct {
	registry  *backend.Registry
	options   lsm.Options
	directory *directory
	copies    *LocalCopies // nil if there are none
	// tree is opened when the first state is declared, since how keys are cut depends on
	// their codec, or by a restore. Db is its; nil before and after Close.
	tree    *tree
	db      *lsm.DB
	metered atomic.Pointer[lsm.DB] // db, for Metrics
	written bool                   // something was written to the tree, or restored
	appends appends
	timers  map[backend.ID]*timers
	known   int // how many timers of a key group may be in memory
	fired   fired
	cursors []*cursor // open
	key     []byte    // scratch
}

// Create returns an empty backend that works in a directory, which it makes if need
// be. It must be empty or one that a backend has worked in, which a file there tells:
// any other is ErrNotStore. What a crash has left of another backend there is removed; a
// file of somebody else beside it stays, and is ErrNotStore, here and from Close.
// It is ErrLocked if the directory is in use. Symbolic links in dir and a working
// directory that it is relative to matter while Create runs, not later; below dir no link
// is followed. The first state that is declared opens the tree, with what else may be
// wrong with the disk as an error of the declaration; a restore makes a tree of its own.
func Create(dir string, o Options) (*Backend, error) {
	registry, err := backend.NewRegistry(o.Options)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return nil, fmt.Errorf("lsmstate: %w", err)
	}
	if o.FS == nil {
		o.FS = vfs.Real{}
	}
	d, err := openDirectory(o.FS, dir)
	if err != nil {
		return nil, fmt.Errorf("lsmstate: %w", err)
	}
	o.Copies.opened(1)
	b := &Backend{
		registry:  registry,
		copies:    o.Copies,
		options:   o.ofTree(),
		directory: d,
		timers:    make(map[backend.ID]*timers),
		known:     o.knownOf(registry.Keyspace().Groups.Len()),
	}
	b.options.Filter = &b.fired
	if o.Filter != nil {
		b.options.Filter = &rowFilter{user: o.Filter, fired: &b.fired}
	}
	return b, nil
}

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// Metrics returns the figures of the tree, which begin when it is made. It is false before
// that and after Close. Any goroutine may call it.
func (b *Backend) Metrics() (lsm.Metrics, bool) {
	db := b.metered.Load()
	if db == nil {
		return lsm.Metrics{}, false
	}
	return db.Metrics(), true
}

// AddState implements backend.ByteBackend: the first state that is declared opens the tree.
func (b *Backend) AddState(backend.Info) error { return b.use() }

// use opens the tree unless it is open.
func (b *Backend) use() error {
	if b.db != nil {
		return nil
	}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.openTree(context.Background()); err != nil {
		return fmt.Errorf("lsmstate: %w", ofTree(err))
	}
	return nil
}

// store returns the tree's store, to be read.
func (b *Backend) store() (*lsm.DB, error) {
	switch {
	case b.db != nil:
		return b.db, nil
	case b.registry.Closed():
		return nil, backend.ErrClosed
	}
	return nil, fmt.Errorf("lsmstate: a row before any state is declared: %w", backend.ErrInvalid)
}

// writable returns the tree's store, to be written to.
func (b *Backend) writable() (*lsm.DB, error) {
	db, err := b.store()
	b.written = b.written || err == nil
	return db, err
}

// prepare completes the options of the tree.
func (b *Backend) prepare() error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	keySize, ok := b.registry.KeySize()
	if !ok {
		return fmt.Errorf("lsmstate: no codec of keys is known yet: %w", backend.ErrInvalid)
	}
	b.options.Split = splitOf(keySize)
	return nil
}

// openTree opens the tree that is in the directory, an empty one if there is none.
func (b *Backend) openTree(ctx context.Context) error {
	t, err := openTree(ctx, b.directory, &b.options)
	if err != nil {
		return err
	}
	b.tree, b.db = t, t.db
	b.metered.Store(t.db)
	return nil
}

// discardTree discards a tree to which nothing was written, which no view has: a restore
// makes another one in its place.
func (b *Backend) discardTree() error {
	t := b.tree
	if t == nil {
		return nil
	}
	b.tree, b.db = nil, nil
	b.metered.Store(nil)
	if err := t.db.Discard(); err != nil {
		return ofTree(err)
	}
	return b.directory.clearTree()
}

// Empty implements snapshot.Backend. What cannot be read is not nothing.
func (b *Backend) Empty() bool {
	for _, service := range b.timers {
		for _, queue := range service {
			if len(queue.order) > 0 {
				return false
			}
		}
	}
	if b.db == nil || !b.written {
		return true
	}
	groups := b.registry.Keyspace().Groups
	it, err := b.db.Iterator(partition(groups.First), partition(groups.Last+1))
	if err != nil {
		return false
	}
	defer it.Close()
	return !it.Next() && it.Err() == nil
}

// partition is the first key of a partition.
func partition(number uint16) []byte { return backend.AppendHeader(nil, number, 0)[:PartitionBytes] }

// Load implements snapshot.Backend. Values are decoded when they are read.
func (b *Backend) Load(key, value []byte) error {
	group, id, rest, err := b.registry.SplitRow(key)
	if err != nil {
		return err
	}
	kind, err := b.kindOf(id)
	if err != nil {
		return err
	}
	if kind == backend.KindTimers {
		return b.registry.LoadTimer(group, id, rest, value)
	}
	keySize, _ := b.registry.KeySize()
	prefix, ok := splitKey(key, keySize)
	switch {
	case !ok || len(value) == 0:
		return fmt.Errorf("row of %d and %d bytes: %w", len(key), len(value), backend.ErrCorrupt)
	case kind == backend.KindList:
		return b.Append(key[:prefix], value) // with a suffix of ours
	case kind != backend.KindMap && prefix < len(key):
		return fmt.Errorf("row of a %v state with %d bytes too many: %w", kind, len(key)-prefix, backend.ErrCorrupt)
	}
	return b.Set(key, value)
}

// kindOf returns the kind of a declared state.
func (b *Backend) kindOf(id backend.ID) (backend.Kind, error) {
	info, ok := b.registry.Info(id)
	if !ok {
		return 0, fmt.Errorf("row of state id %#08x: %w", uint32(id), backend.ErrUnknownState)
	}
	return info.Kind, nil
}

// Close implements backend.Backend: it removes what the backend has on disk. Views
// that are open stay readable, and the last one that is released does it then.
func (b *Backend) Close() error {
	if b.registry.Closed() {
		return nil
	}
	b.registry.Close()
	b.copies.opened(-1)
	for _, c := range b.cursors {
		c.end()
	}
	t := b.tree
	b.tree, b.db, b.cursors = nil, nil, nil
	b.metered.Store(nil)
	clear(b.timers)
	if t == nil {
		return b.directory.close()
	}
	return t.release()
}
