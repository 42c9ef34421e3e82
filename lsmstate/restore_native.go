package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// RestoreNative implements snapshot.NativeBackend: tables become those of the tree as they
// are, and a part of one by a clip.
func (b *Backend) RestoreNative(ctx context.Context, src snapshot.Source, handles []snapshot.Handle, unclaimed []backend.ID) error {
	handles = slices.DeleteFunc(slices.Clone(handles), func(h snapshot.Handle) bool {
		return !slices.ContainsFunc(h.States, func(info backend.Info) bool { return !slices.Contains(unclaimed, info.ID()) })
	})
	if b.written || len(b.cursors) > 0 {
		return fmt.Errorf("a backend that was used: %w", backend.ErrNotEmpty)
	}
	a := adoption{backend: b, source: src, stage: newStage(b.directory, b.copies)}
	if err := errors.Join(a.run(ctx, handles), a.stage.remove()); err != nil || len(a.parts) == 0 {
		return err
	}
	if err := a.blame(b.openTree(ctx)); err != nil {
		return err
	}
	b.written = true
	if err := b.dropUnclaimed(ctx, unclaimed); err != nil {
		return err
	}
	return b.loadTimers(ctx)
}

// adoption is a restore from native snapshots under way.
type adoption struct {
	backend *Backend
	source  snapshot.Source
	stage   *stage
	parts   []lsm.Part
	wanted  []stagedFile
	tables  []string // the file of each table of the new tree, by number from 1
}

// run makes the tree of the backend out of snapshots, if there is one in any. It is
// not opened yet: some systems remove no name of a file that is open.
func (a *adoption) run(ctx context.Context, handles []snapshot.Handle) error {
	for i, h := range handles {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := a.add(ctx, i, h); err != nil {
			return err
		}
	}
	if len(a.parts) == 0 {
		return nil
	}
	if err := a.stage.fill(ctx, a.source, a.wanted); err != nil {
		return err
	}
	b := a.backend
	if err := errors.Join(b.prepare(), b.directory.checkTree()); err != nil {
		return err
	}
	if err := b.discardTree(); err != nil {
		return err
	}
	return ofDescription(lsm.Restore(ctx, b.directory.tree(), a.parts, b.options))
}

// add reads what a snapshot consists of, and plans to take the backend's part of it.
func (a *adoption) add(ctx context.Context, i int, h snapshot.Handle) error {
	if len(h.Files) == 0 {
		return fmt.Errorf("handle without files: %w", snapshot.ErrCorrupt)
	}
	d, err := readDescription(ctx, a.source, h.Files[0])
	if err != nil {
		return ofFile(h.Files[0].Name, err)
	}
	tree, places, err := d.files(h)
	if err != nil {
		return ofFile(h.Files[0].Name, err)
	}
	a.backend.appends.raise(d.appends)
	if tree == nil {
		return nil
	}
	for _, r := range a.rangesOf(h) {
		for _, t := range tree.Tables(r.from, r.to) {
			a.want(i, h, places[t.Number])
		}
		a.parts = append(a.parts, lsm.Part{Description: tree, From: r.from, To: r.to, Table: func(number uint64) string {
			f := stagedOf(i, h, places[number])
			a.tables = append(a.tables, f.name())
			return a.stage.path(f)
		}})
	}
	return nil
}

// rangesOf are the keys to take from a snapshot: all there are if it was the
// backend's own, so that no table is taken twice, for its rows and for its timers.
func (a *adoption) rangesOf(h snapshot.Handle) []keyRange {
	own, groups := a.backend.registry.Keyspace().Groups, h.Keyspace.Groups
	if own == groups {
		return []keyRange{{}}
	}
	ranges := rangesOf(backend.GroupRange{First: max(own.First, groups.First), Last: min(own.Last, groups.Last)})
	return ranges[:]
}

func (a *adoption) want(i int, h snapshot.Handle, place tablePlace) {
	a.wanted = append(a.wanted, stagedOf(i, h, place))
}

// blame says which file a table is whose opening has failed.
func (a *adoption) blame(err error) error {
	var table *lsm.TableError
	if errors.As(err, &table) && 0 < table.Number && table.Number <= uint64(len(a.tables)) {
		return ofFile(a.tables[table.Number-1], ofDescription(err))
	}
	return ofDescription(err)
}
