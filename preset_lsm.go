package weir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/vfs"
)

// LSMOptions says how LSM works.
type LSMOptions struct {
	// Dir is where backends work on the local disk, each in a directory of its own
	// below it, which other processes may share. Nothing in it is needed after a crash,
	// and LSM removes what crashes have left of backends, whatever the parallelism was.
	// Below it no symbolic link is followed, and only directories that backends have
	// marked as theirs are cleared.
	// It does best on the file system that checkpoints go to, if that is a local one:
	// restores are hard links then. A relative path, and links in it, are evaluated
	// once, by LSM. Default: a new directory for temporary files, which Close removes
	// and a crash leaves: name one for what runs long.
	Dir string
	// LocalRecovery keeps the tables of the last checkpoints in Dir as well, so that a
	// restore on the same machine fetches only what is not there. It takes disk space for
	// tables that are compacted meanwhile, and gains nothing where restores are hard
	// links already. Default false.
	LocalRecovery bool
	// BudgetBytes is the memory of all backends together, which is the preset's until
	// Close. Default 64 MiB.
	BudgetBytes int64
	// LeftBehind is called with the reason for each directory in Dir that is passed over
	// since it has no marker of a backend, or that could not be cleared, once each. Such a
	// directory stays as it is until the user removes it. Calls may come from any goroutine
	// that opens a backend, one at a time. Default: nobody is told.
	LeftBehind func(error)
	// Full makes every checkpoint a whole one. Default false: files are shared with
	// the checkpoint before.
	Full bool
	// Checkpoints says how the storage is used.
	Checkpoints checkpoint.StorageOptions
	// Synchronous is Preset.Synchronous. Default false.
	Synchronous bool
}

// defaultBudgetBytes is that of LSMOptions.
const defaultBudgetBytes = 64 << 20

// LSM keeps state in trees on the local disk, and checkpoints, incremental ones by
// default, as files under a URL: for jobs whose state is limited by the disk only.
func LSM(ctx context.Context, url string, o LSMOptions) (*Preset, error) {
	if o.BudgetBytes < 0 {
		return nil, fmt.Errorf("lsm preset: budget of %d bytes: %w", o.BudgetBytes, state.ErrInvalid)
	}
	storage, err := checkpoint.OpenStorage(ctx, url, o.Checkpoints)
	if err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	opener, err := newTreeOpener(o)
	if err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	mode := snapshot.Incremental
	if o.Full {
		mode = snapshot.Full
	}
	return &Preset{
		Open: opener.openBackend, Storage: storage, Synchronous: o.Synchronous, Mode: mode, close: opener.close,
	}, nil
}

// treeOpener opens backends in numbered directories.
//
// Thread safety: safe for concurrent use.
type treeOpener struct {
	dir       string // absolute, and without links
	temporary bool   // the opener has made dir
	budget    *lsm.Budget
	copies    *lsmstate.LocalCopies // nil if there are none

	leftBehind leftBehind

	mu     sync.Mutex // not held while a backend is opened
	open   int        // backends that are open, or being opened
	closed bool
}

func newTreeOpener(o LSMOptions) (t *treeOpener, err error) {
	t = &treeOpener{temporary: o.Dir == "", leftBehind: leftBehind{tell: o.LeftBehind}}
	if t.temporary {
		if o.Dir, err = os.MkdirTemp("", "weir-"); err != nil {
			return nil, err
		}
	}
	t.budget = lsm.NewBudget(cmp.Or(o.BudgetBytes, defaultBudgetBytes))
	if t.dir, err = (vfs.Real{}).Resolve(o.Dir); err == nil {
		t.removeLeftovers()
		if o.LocalRecovery {
			err = t.openCopies()
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// openBackend implements Preset.Open.
func (t *treeOpener) openBackend(o state.Options) (snapshot.Backend, error) {
	if err := t.enter(); err != nil {
		return nil, err
	}
	b := &countedBackend{opener: t}
	err := t.claim(backendPrefix, func(dir string) (err error) {
		b.Backend, err = lsmstate.Create(dir, lsmstate.Options{Options: o, Budget: t.budget, Copies: t.copies})
		return err
	})
	if err != nil {
		t.leave()
		return nil, err
	}
	return b, nil
}

// countedBackend is a backend that keeps its preset from being closed. A backend makes
// its store late, and anew for a restore, so that the budget alone does not know of it.
type countedBackend struct {
	*lsmstate.Backend
	opener *treeOpener
	left   sync.Once
}

// Close implements snapshot.Backend.
func (b *countedBackend) Close() error {
	defer b.left.Do(b.opener.leave)
	return b.Backend.Close()
}

// enter counts a backend. It fails once the opener is closed.
func (t *treeOpener) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed("lsm")
	}
	t.open++
	return nil
}

// leave ends what enter began.
func (t *treeOpener) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
}

// areOpen counts backends, in words that "still open" follows.
func areOpen(n int) string {
	if n == 1 {
		return "1 backend is"
	}
	return fmt.Sprintf("%d backends are", n)
}

// openCopies opens local copies.
func (t *treeOpener) openCopies() error {
	return t.claim("copies-", func(dir string) (err error) {
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
	if t.open > 0 {
		return fmt.Errorf("lsm preset: %s %w: close the backends first", areOpen(t.open), lsm.ErrOpen)
	}
	err := t.budget.Close()
	if errors.Is(err, lsm.ErrOpen) {
		err = fmt.Errorf("a view or an iterator of %s %w: close it first", areOpen(t.budget.Stores()), lsm.ErrOpen)
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
