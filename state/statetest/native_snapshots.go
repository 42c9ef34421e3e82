package statetest

import (
	"context"
	"slices"
	"testing"

	"github.com/weirstate/weir/snapshot"
)

// RandomNative is Random with snapshots in the native format of a backend. Incremental snapshots share
// the files of snapshots that were restored before.
func RandomNative(t testing.TB, open Opener, mode snapshot.Mode, operations int) {
	tryProgram(t, open, mode, func(w *world) {
		w.confirmed = make(map[snapshot.Identity]snapshot.FileRef)
		w.run(operations, slices.Concat(writeSteps, snapshotSteps))
		w.compare(w.subtasks, w.model, false)
		w.abandon()
	})
}

// sharingGate is a gate that supports shared files.
type sharingGate struct {
	*gate
	name      string // prefix of the names of shared files
	confirmed map[snapshot.Identity]snapshot.FileRef
}

// Share implements snapshot.SharingTarget.
func (g sharingGate) Share(ctx context.Context, suffix string) (snapshot.File, snapshot.FileRef, error) {
	ref := snapshot.FileRef{Name: "shared-" + g.name + "." + suffix, Shared: true}
	f, err := g.Create(ctx, ref.Name)
	return f, ref, err
}

// Confirmed implements snapshot.SharingTarget.
func (g sharingGate) Confirmed(id snapshot.Identity) (snapshot.FileRef, bool) {
	ref, ok := g.confirmed[id]
	return ref, ok
}

// confirm allows later snapshots to share the files of handles.
func (w *world) confirm(handles []snapshot.Handle) {
	for _, h := range handles {
		for _, f := range h.Files {
			if f.Shared {
				w.confirmed[f.Identity] = f
			}
		}
	}
}
