package lsm

import (
	"slices"

	"github.com/weirstate/weir/lsm/internal/version"
)

// pins holds the open views and iterators of a store. Each pins a version: a set of runs that
// never changes.
//
// Problem: a version holds sealed runs in memory. A view that is open for an hour must not keep
// an hour-old memtable.
//
// Idea: when a flush has written runs to a table, every view and scan that holds these runs
// gets a new version, with the table in place of the runs. Both hold the same entries, so no
// reader notices.
//
//	            View()                   flush of r1, r2                 Close()
//	active ──seal──► r2                                            version unreferenced
//	                 │                                                   │
//	view.version:  {r2 r1 | tree}  ──replaceRuns──►  {  | tree + T9}  ───┘
//	pins memory                      pins files only                T9 removed, if a
//	                                 memory of r1, r2 is freed      compaction replaced it
//
// flushPolicy ends a table at the newest run of each view, so the table that replaces a view's
// runs holds no newer entries.
//
//	object            how it learns of the flush
//	View              version is replaced under the lock
//	scan              the same, and walk.stale is set: its next move opens the new sources
//	prefix iterator   its sources are closed: its next move finds those of the current version
//
// References: a version counts its holders, a run and a file count the versions that hold them.
// At zero, memory is freed at once (DB.releaseRun), and files go to obsoleteFiles.
//
// Invariant: version.refs = 1 for the current version + views + walks with that version +
// workers that use it.
// Invariant: a view has either all runs of a flushed group, or none.
// Invariant: after Close of the store, views are abandoned, but the versions of open iterators
// stay pinned until each iterator is closed; the last one releases the budget.
//
// Cost: a view is one reference; a flush visits each open view and iterator once.
//
// Thread safety: the lock of the store.
type pins struct {
	views map[*View]bool
	walks []*walk
}

// addWalk adds an open iterator.
func (p *pins) addWalk(w *walk) {
	w.at, w.pinned = len(p.walks), true
	p.walks = append(p.walks, w)
}

// removeWalk removes an iterator.
func (p *pins) removeWalk(w *walk) {
	last := len(p.walks) - 1
	moved := p.walks[last]
	p.walks[w.at], moved.at = moved, w.at
	p.walks[last] = nil
	p.walks = p.walks[:last]
}

// endsView reports whether a run is the newest one of a view or of a scan.
func (p *pins) endsView(number uint64) bool {
	for v := range p.views {
		if v.run == number {
			return true
		}
	}
	return slices.ContainsFunc(p.walks, func(w *walk) bool { return !w.cursor.on && w.run == number })
}

// replaceRuns gives views and scans that hold flushed runs a version with the files instead, so
// that the memory can be freed. Holders of the same version get the same new one.
func (p *pins) replaceRuns(versions *version.Set, flushed []*version.SealedRun, files []*version.File) {
	replaced := make(map[*version.Version]*version.Version)
	next := func(old *version.Version) *version.Version {
		v, known := replaced[old]
		if !known {
			v = old.WithFiles(flushed, files)
			replaced[old] = v
		}
		return v
	}
	for v := range p.views {
		if now := next(v.version); now != nil {
			versions.Unref(v.version)
			v.version = now.Ref()
		}
	}
	for _, w := range p.walks {
		if w.cursor.on {
			w.closeSources() // the next move finds the sources again
			continue
		}
		if now := next(w.version); now != nil {
			versions.Unref(w.version)
			w.version = now.Ref()
			w.stale.Store(true)
		}
	}
	for _, v := range replaced {
		if v != nil {
			versions.Unref(v)
		}
	}
}
