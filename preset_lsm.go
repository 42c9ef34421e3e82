package weir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/vfs"
)

// LSMOptions configures LSM. The zero value works.
//
// The trees write no log: checkpoints make state durable. Options of the tree that are not
// listed here, such as a compaction filter or a picker, belong to one backend: open such a
// backend with lsmstate.Create, and set Preset.Open to a function that does so.
type LSMOptions struct {
	// Dir is the local directory of the backends. Each backend works in a directory of
	// its own below Dir. Several processes may share Dir.
	//
	// Nothing in Dir is needed after a crash. LSM empties the directories that crashed
	// backends left in Dir, also those of subtasks that no longer exist. It empties only
	// directories with the marker file of a backend. Below Dir, Weir follows no symbolic
	// link. LSM resolves a relative path, and links in the path of Dir, once.
	//
	// Dir works best on the file system of the checkpoints, if that is local: restores then
	// make hard links and copy nothing. Default: a new temporary directory. Close removes
	// it, but a crash leaves it, so set Dir for programs that run long.
	Dir string
	// LocalRecovery keeps the tables of the newest checkpoints in Dir, so that a restore on
	// the same machine reads only missing tables from the storage. It costs disk space for
	// tables that compactions have replaced since, and gains nothing where restores make
	// hard links. Default false.
	LocalRecovery bool

	// BudgetBytes limits the memory of all backends of the preset together: memtables,
	// cached blocks, filters, indexes and the hot tier. Close frees it. Default 64 MiB; a
	// value below 4 MiB counts as 4 MiB.
	BudgetBytes int64
	// Tier turns on the hot tier: rows in use are decoded values in front of the trees, in up
	// to half of the budget. See docs/hot-tier.md. Default false.
	Tier bool
	// MaxOpenFiles limits the tables that all backends together keep open. Lower it where
	// the system allows few descriptors. Default lsm.DefaultMaxOpenFiles, 400.
	MaxOpenFiles int
	// Compression is the compression of level 0 of the trees, of level 1 and so on; deeper
	// levels use the last element. Default lsm.S2 on all levels. lsm.Zstd makes tables and
	// checkpoints smaller and compactions slower.
	Compression []lsm.Compression
	// Events are callbacks for flushes, compactions and stalls of the trees of all
	// backends; see lsm.Events for their rules. Several goroutines may call them at once.
	// Default: no callbacks.
	Events lsm.Events

	// LeftBehind is called once for each directory in Dir that LSM skips because it has no
	// marker of a backend, or because it cannot be emptied. The directory stays until the
	// user removes it. Any goroutine that opens a backend may call LeftBehind, but only one
	// at a time. Default: no callback.
	LeftBehind func(error)

	// Full makes every checkpoint write all tables. Default false: an incremental
	// checkpoint refers to files of the previous one and writes only new tables.
	Full bool
	// Portable makes every checkpoint write all rows in the format that every preset can
	// restore; Full then has no effect. Set it to move a job from LSM to Fs. Default false:
	// only LSM can restore the checkpoints.
	Portable bool
	// Checkpoints configures the storage.
	Checkpoints checkpoint.StorageOptions
	// Synchronous becomes Preset.Synchronous. Default false.
	Synchronous bool
}

// defaultBudgetBytes is the default of LSMOptions.BudgetBytes.
const defaultBudgetBytes = 64 << 20

// check returns an error for options out of range.
func (o *LSMOptions) check() error {
	if o.BudgetBytes < 0 {
		return fmt.Errorf("BudgetBytes is %d: want 0 for the default, or more: %w", o.BudgetBytes, ErrInvalidOption)
	}
	if o.MaxOpenFiles < 0 {
		return fmt.Errorf("MaxOpenFiles is %d: want 0 for the default, or more: %w", o.MaxOpenFiles, ErrInvalidOption)
	}
	for level, c := range o.Compression {
		if c > lsm.Zstd {
			return fmt.Errorf("compression of level %d is %d: want %d to %d: %w", level, c, lsm.NoCompression, lsm.Zstd, ErrInvalidOption)
		}
	}
	return nil
}

// LSM returns a preset that keeps state in trees on the local disk and checkpoints at url,
// incremental ones by default. The scheme of url is file or one registered with
// checkpoint.Register. LSM is for jobs whose state exceeds memory.
func LSM(ctx context.Context, url string, o LSMOptions) (*Preset, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	storage, err := checkpoint.OpenStorage(ctx, url, o.Checkpoints)
	if err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	opener, err := newTreeOpener(o)
	if err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	return &Preset{
		Open: opener.openBackend, Storage: storage, Synchronous: o.Synchronous, Mode: o.mode(), close: opener.close,
	}, nil
}

// mode returns Preset.Mode.
func (o *LSMOptions) mode() snapshot.Mode {
	switch {
	case o.Portable:
		return snapshot.Portable
	case o.Full:
		return snapshot.Full
	}
	return snapshot.Incremental
}

// treeOpener opens backends in numbered directories. All of them share one memory budget.
//
// Invariant: openBackends is the number of backends that openBackend has returned, or is
// opening, and that are not closed. The opener closes only at 0.
//
// Thread safety: safe for concurrent use.
type treeOpener struct {
	dir       string // absolute, without symbolic links
	temporary bool   // newTreeOpener created dir; close removes it
	budget    *lsm.Budget
	copies    *lsmstate.LocalCopies // nil without LocalRecovery
	options   lsmstate.Options      // of every backend, without backend.Options

	skipped skippedDirectories

	mu           sync.Mutex // not held while a backend opens
	openBackends int
	closed       bool
}

func newTreeOpener(o LSMOptions) (t *treeOpener, err error) {
	t = &treeOpener{temporary: o.Dir == "", skipped: skippedDirectories{callback: o.LeftBehind}}
	if t.temporary {
		if o.Dir, err = os.MkdirTemp("", "weir-"); err != nil {
			return nil, err
		}
	}
	t.budget = lsm.NewBudget(cmp.Or(o.BudgetBytes, defaultBudgetBytes))
	t.budget.LimitOpenFiles(cmp.Or(o.MaxOpenFiles, lsm.DefaultMaxOpenFiles))
	if t.dir, err = (vfs.Real{}).Resolve(o.Dir); err == nil {
		t.removeLeftovers()
		if o.LocalRecovery {
			err = t.openCopies()
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.options = lsmstate.Options{
		Budget: t.budget, Tier: o.Tier, Copies: t.copies, Events: o.Events, Compression: slices.Clone(o.Compression),
	}
	return t, nil
}

// openBackend implements Preset.Open.
func (t *treeOpener) openBackend(o state.Options) (snapshot.Backend, error) {
	if err := t.addBackend(); err != nil {
		return nil, err
	}
	options := t.options
	options.Options = o
	b := &countedBackend{opener: t}
	err := t.claimDirectory(backendPrefix, func(dir string) (err error) {
		b.Backend, err = lsmstate.Create(dir, options)
		return err
	})
	if err != nil {
		t.removeBackend()
		return nil, err
	}
	return b, nil
}

// countedBackend is a backend that the opener counts until it is closed. The count of
// stores in the budget does not suffice: a backend opens its store with the first declared
// state, and opens another one for a restore.
type countedBackend struct {
	*lsmstate.Backend
	opener  *treeOpener
	removed sync.Once // from the count of the opener
}

// Close implements snapshot.Backend.
func (b *countedBackend) Close() error {
	defer b.removed.Do(b.opener.removeBackend)
	return b.Backend.Close()
}

// addBackend counts a backend that is about to open. It fails after close.
func (t *treeOpener) addBackend() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return closedError("lsm")
	}
	t.openBackends++
	return nil
}

// removeBackend ends the count of a backend that closed or failed to open.
func (t *treeOpener) removeBackend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.openBackends--
}

// backendsAre returns the beginning of a sentence that "still open" ends.
func backendsAre(n int) string {
	if n == 1 {
		return "1 backend is"
	}
	return fmt.Sprintf("%d backends are", n)
}

// openCopies opens the local copies of tables.
func (t *treeOpener) openCopies() error {
	return t.claimDirectory(copiesPrefix, func(dir string) (err error) {
		t.copies, err = lsmstate.OpenLocalCopies(dir)
		return err
	})
}

// close implements Preset.Close.
func (t *treeOpener) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	if t.openBackends > 0 {
		return fmt.Errorf("lsm preset: %s %w: close the backends first", backendsAre(t.openBackends), lsm.ErrOpen)
	}
	err := t.budget.Close()
	if errors.Is(err, lsm.ErrOpen) {
		err = fmt.Errorf("a view or an iterator of %s %w: close it first", backendsAre(t.budget.Stores()), lsm.ErrOpen)
	}
	if err != nil {
		return fmt.Errorf("lsm preset: %w", err)
	}
	t.closed = true
	if t.copies != nil {
		err = t.copies.Close()
	}
	if t.temporary && t.dir != "" {
		err = errors.Join(err, os.RemoveAll(t.dir))
	}
	return err
}
