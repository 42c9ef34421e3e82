package lsm

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/lsm/internal/version"
)

// replaceRuns makes views and iterators refer to files instead of the memory that the
// files were written from, so that nobody keeps it. Views and iterators of one version
// get one again.
func (db *DB) replaceRuns(flushed []*version.SealedRun, files []*version.File) {
	replaced := make(map[*version.Version]*version.Version)
	next := func(old *version.Version) *version.Version {
		v, known := replaced[old]
		if !known {
			v = old.WithFiles(flushed, files)
			replaced[old] = v
		}
		return v
	}
	for v := range db.views {
		if now := next(v.version); now != nil {
			db.versions.Unref(v.version)
			v.version = now.Ref()
		}
	}
	for _, w := range db.walks {
		switch {
		case w.live.on:
			w.closeSources() // the next step finds them anew
		case next(w.version) != nil:
			now := next(w.version)
			db.versions.Unref(w.version)
			w.version = now.Ref()
			w.stale.Store(true)
		}
	}
	for _, v := range replaced {
		if v != nil {
			db.versions.Unref(v)
		}
	}
}

// endsView reports whether a run is the newest of a view or of an iterator.
func (db *DB) endsView(number uint64) bool {
	for v := range db.views {
		if v.run == number {
			return true
		}
	}
	return slices.ContainsFunc(db.walks, func(w *walk) bool { return !w.live.on && w.run == number })
}

// releaseRun gives the memory of a run back that no version has any more. The lock is held.
func (db *DB) releaseRun(r *version.SealedRun) {
	db.report(db.tryRelease(r))
	db.o.Budget.leave(r)
}

// tryRelease releases a memtable, which may be one of a caller's.
func (db *DB) tryRelease(r *version.SealedRun) (err error) {
	defer catch(fmt.Sprintf("memtable %T", r.Table), &err)
	r.Release()
	return nil
}
