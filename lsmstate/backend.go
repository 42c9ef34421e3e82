package lsmstate

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Backend is a backend on disk. It implements backend.ByteBackend and snapshot.NativeBackend.
//
// Keys and values that a method returns are valid until the next call of any method.
//
// Thread safety: the task's goroutine only, except Metrics. Other goroutines may read a View.
type Backend struct {
	registry  *backend.Registry
	options   lsm.Options
	directory *directory
	copies    *LocalCopies // nil if the user set none
	// tree is opened when the first state is declared, because the split function of the
	// tree depends on the codec of keys, or it is made by a restore. db is the tree's store.
	// Both are nil before that and after Close.
	tree    *tree
	db      *lsm.DB
	metered atomic.Pointer[lsm.DB] // db, for Metrics
	written bool                   // the tree has rows that were written or restored
	appends appendCounters
	tier    *hotTier // nil if it is off
	timers  map[backend.ID]*timers
	// maxTimersInMemory is the number of timers of a key group that are read into memory at once.
	maxTimersInMemory int
	firedTimers       firedTimerFilter
	cursors           []*cursor // open cursors
	idleCursors       []*cursor // closed cursors, to be reused
	key               []byte    // scratch
}

// Create returns an empty backend that keeps its files in directory dir. It makes the directory
// if it does not exist.
//
// The directory must be empty or have the marker file of backends; otherwise Create returns
// ErrNotStore. Create removes the files of a crashed backend. A file that no backend makes stays;
// then Create, and later Close, return ErrNotStore. Create returns ErrLocked if the directory is
// in use. It resolves symbolic links in dir, and a relative dir, once; below dir it follows no
// links.
//
// The declaration of the first state opens the tree, and returns the errors of opening it. A
// restore makes a new tree.
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
	o.Copies.addBackends(1)
	b := &Backend{
		registry:          registry,
		copies:            o.Copies,
		options:           o.treeOptions(),
		directory:         d,
		timers:            make(map[backend.ID]*timers),
		maxTimersInMemory: o.maxTimersInMemory(registry.Keyspace().Groups.Len()),
	}
	b.options.Filter = &b.firedTimers
	if o.Filter != nil {
		b.options.Filter = &rowFilter{user: o.Filter, timers: &b.firedTimers}
	}
	if o.Tier && o.Filter == nil {
		b.tier = newHotTier(b, o.tierBytes)
	}
	return b, nil
}

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// Metrics returns the metrics of the tree, and false before the tree is opened and after Close. A
// restore makes a new tree, whose metrics begin at zero. Any goroutine may call Metrics.
func (b *Backend) Metrics() (lsm.Metrics, bool) {
	db := b.metered.Load()
	if db == nil {
		return lsm.Metrics{}, false
	}
	return db.Metrics(), true
}

// AddState implements backend.ByteBackend. The first call opens the tree.
func (b *Backend) AddState(backend.Info) error { return b.openOnce() }

// openOnce opens the tree unless it is open.
func (b *Backend) openOnce() error {
	if b.db != nil {
		return nil
	}
	if err := b.setSplit(); err != nil {
		return err
	}
	if err := b.openTree(context.Background()); err != nil {
		return fmt.Errorf("lsmstate: %w", wrapLSMError(err))
	}
	return nil
}

// store returns the tree's store for reads.
func (b *Backend) store() (*lsm.DB, error) {
	switch {
	case b.db != nil:
		return b.db, nil
	case b.registry.Closed():
		return nil, backend.ErrClosed
	}
	return nil, fmt.Errorf("lsmstate: no state is declared yet: %w", backend.ErrInvalid)
}

// writable returns the tree's store for writes.
func (b *Backend) writable() (*lsm.DB, error) {
	db, err := b.store()
	b.written = b.written || err == nil
	return db, err
}

// setSplit sets the split function in the options of the tree.
func (b *Backend) setSplit() error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	keySize, ok := b.registry.KeySize()
	if !ok {
		return fmt.Errorf("lsmstate: no codec of keys is declared yet: %w", backend.ErrInvalid)
	}
	b.options.Split = splitOf(keySize)
	return nil
}

// openTree opens the tree in the directory. It makes an empty one if there is no tree.
func (b *Backend) openTree(ctx context.Context) error {
	t, err := openTree(ctx, b.directory, &b.options)
	if err != nil {
		return err
	}
	b.tree, b.db = t, t.db
	b.metered.Store(t.db)
	b.tier.open(t.db)
	return nil
}

// discardTree discards an unused tree, so that a restore can make another one. Nothing was written
// to it, so no view refers to it.
func (b *Backend) discardTree() error {
	t := b.tree
	if t == nil {
		return nil
	}
	b.tree, b.db = nil, nil
	b.metered.Store(nil)
	b.tier.close()
	if err := t.db.Discard(); err != nil {
		return wrapLSMError(err)
	}
	return b.directory.clearTree()
}

// Empty implements snapshot.Backend. It reports whether the backend has neither rows nor timers, and
// returns false if the tree cannot be read.
func (b *Backend) Empty() bool {
	for _, service := range b.timers {
		for _, queue := range service {
			if _, ok, err := queue.First(); ok || err != nil {
				return false
			}
		}
	}
	if b.tier.hasRows() || b.tier.freeze() != nil {
		return false
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

// partition returns the first key of the partition with a number.
func partition(number uint16) []byte { return backend.AppendHeader(nil, number, 0)[:PartitionBytes] }

// Load implements snapshot.Backend. It does not decode values; a read finds invalid ones.
func (b *Backend) Load(key, value []byte) error {
	group, id, rest, err := b.registry.SplitRow(key)
	if err != nil {
		return err
	}
	kind, err := b.kindOf(id)
	if err != nil {
		return err
	}
	b.tier.drop()
	if kind == backend.KindTimers {
		return b.registry.LoadTimer(group, id, rest, value)
	}
	keySize, _ := b.registry.KeySize()
	prefix, ok := prefixEnd(key, keySize)
	switch {
	case !ok || len(value) == 0:
		return fmt.Errorf("row with a key of %d and a value of %d bytes is no row of keyed state: %w", len(key), len(value), backend.ErrCorrupt)
	case kind == backend.KindList:
		return b.Append(key[:prefix], value) // Append chooses the suffix
	case kind != backend.KindMap && prefix < len(key):
		return fmt.Errorf("row of a %v state has a suffix of %d bytes, want none: %w", kind, len(key)-prefix, backend.ErrCorrupt)
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

// Close implements backend.Backend. It removes the backend's files. Open views stay readable; if
// there are any, the Close of the last one removes the files.
func (b *Backend) Close() error {
	if b.registry.Closed() {
		return nil
	}
	b.registry.Close()
	b.copies.addBackends(-1)
	for _, c := range b.cursors {
		_ = c.end() // nobody can read an error of the cursor any longer
	}
	t := b.tree
	b.tree, b.db, b.cursors = nil, nil, nil
	b.metered.Store(nil)
	b.tier.close()
	clear(b.timers)
	if t == nil {
		return b.directory.close()
	}
	return t.release()
}
