package lsm

import (
	"slices"

	"github.com/weirstate/weir/lsm/internal/version"
)

// pins is what is open on a store and keeps versions of it.
//
// Thread safety: the lock of the store.
type pins struct {
	views map[*View]bool
	walks []*walk
}

// enterWalk lists a walk.
func (p *pins) enterWalk(w *walk) {
	w.at = len(p.walks)
	p.walks = append(p.walks, w)
}

// leaveWalk takes a walk off the list.
func (p *pins) leaveWalk(w *walk) {
	last := len(p.walks) - 1
	moved := p.walks[last]
	p.walks[w.at], moved.at = moved, w.at
	p.walks[last] = nil
	p.walks = p.walks[:last]
}

// endsView reports whether a run is the newest of a view or of an iterator.
func (p *pins) endsView(number uint64) bool {
	for v := range p.views {
		if v.run == number {
			return true
		}
	}
	return slices.ContainsFunc(p.walks, func(w *walk) bool { return !w.live.on && w.run == number })
}

// replaceRuns makes views and iterators refer to files instead of the memory that the
// files were written from, so that nobody keeps it. Views and iterators of one version
// get one again.
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
		if w.live.on {
			w.closeSources() // the next step finds them anew
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
