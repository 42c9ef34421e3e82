package weir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// LSMOptions says how LSM works.
type LSMOptions struct {
	// Dir is where backends work on the local disk, each in a directory of its own
	// below it, which other processes may share. Nothing in it is needed after a crash.
	// It does best on the file system that checkpoints go to, if that is a local one:
	// restores are hard links then. Default: a new directory for temporary files, which
	// is not removed, nor is what a crash leaves in it: name one for what runs long.
	Dir string
	// LocalRecovery keeps the tables of the last checkpoints in Dir as well, so that a
	// restore on the same machine fetches only what is not there. It takes disk space for
	// tables that are compacted meanwhile, and gains nothing where restores are hard
	// links already. Default false.
	LocalRecovery bool
	// BudgetBytes is the memory of all backends together, which is the preset's for as
	// long as the process lasts. Default 64 MiB.
	BudgetBytes int64
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
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "weir-"); err != nil {
			return nil, fmt.Errorf("lsm preset: %w", err)
		}
	}
	if o.BudgetBytes == 0 {
		o.BudgetBytes = defaultBudgetBytes
	}
	mode := snapshot.Incremental
	if o.Full {
		mode = snapshot.Full
	}
	opener := treeOpener{dir: o.Dir, budget: lsm.NewBudget(o.BudgetBytes)}
	if o.LocalRecovery {
		if err := opener.openCopies(); err != nil {
			return nil, fmt.Errorf("lsm preset: %w", err)
		}
	}
	return &Preset{Open: opener.open, Storage: storage, Synchronous: o.Synchronous, Mode: mode}, nil
}

// treeOpener opens backends in numbered directories.
//
// Thread safety: safe for concurrent use.
type treeOpener struct {
	dir    string
	budget *lsm.Budget
	copies *lsmstate.LocalCopies // nil if there are none
}

// open opens a backend.
func (t *treeOpener) open(o state.Options) (b snapshot.Backend, err error) {
	err = t.claim("backend-", func(dir string) error {
		opened, err := lsmstate.Open(dir, lsmstate.Options{Options: o, Budget: t.budget, Copies: t.copies})
		if err == nil {
			b = opened
		}
		return err
	})
	return b, err
}

// openCopies opens local copies, for as long as the process lasts.
func (t *treeOpener) openCopies() error {
	return t.claim("copies-", func(dir string) (err error) {
		t.copies, err = lsmstate.OpenLocalCopies(dir)
		return err
	})
}

// maxClaims is how many directories of a kind there may be.
const maxClaims = 1 << 16

// claim opens the first numbered directory that nobody else has, in this process or
// another.
func (t *treeOpener) claim(name string, open func(dir string) error) error {
	for i := range maxClaims {
		err := open(filepath.Join(t.dir, name+strconv.Itoa(i)))
		if !errors.Is(err, lsmstate.ErrLocked) {
			return err
		}
	}
	return fmt.Errorf("%d directories %s* in one: %w", maxClaims, name, lsmstate.ErrLocked)
}
