package snapshot

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// NativeView is a View that can also be written in the backend's own format, as complete files,
// most of which other snapshots of the backend can share.
//
// A portable snapshot writes every row each time. A native one copies the backend's immutable
// files, and an incremental one only those that the target does not have yet: each file has a
// random identity, and SharingTarget.Confirmed returns the files of an earlier, complete snapshot
// by their identity.
//
//	backend's files at snapshot 7   A B C        writes A, B, C
//	            ... at snapshot 8   A B D        refers to A and B, writes D
//	            ... at snapshot 9   E D          writes E, a compaction of A and B
//
// Invariant: a file that a snapshot refers to never changes, and the target keeps it as long
// as a snapshot refers to it.
type NativeView interface {
	View
	// Format returns the name of the format. Metadata records it; CheckFormat must accept it.
	Format() string
	// WriteNative writes the view and returns the references to all files of the snapshot,
	// which are durable then. It creates files whose names begin with name or, if t is a
	// SharingTarget, shared files. It calls wrote with the number of bytes of each write,
	// from any goroutine. When it returns, also with an error or at the end of the context,
	// all its goroutines have ended, and every file that it left in the target is complete.
	WriteNative(ctx context.Context, t Target, name string, wrote func(bytes int64)) ([]FileRef, error)
}

// NativeBackend is a Backend whose views are NativeViews.
type NativeBackend interface {
	Backend
	// Format returns the name of the format of its views.
	Format() string
	// RestoreNative restores the backend's key groups from handles of its format into an
	// empty backend. Each key group is in exactly one handle, and the names of all files pass
	// CheckName. RestoreNative drops the states
	// in unclaimed, which the program has not declared. After an error the backend is
	// unusable. An error that concerns a file names it.
	RestoreNative(ctx context.Context, src Source, handles []Handle, unclaimed []backend.ID) error
}

// maxFormatSize is the maximum size of a format's name in the metadata of checkpoints.
const maxFormatSize = 32

// CheckFormat returns ErrName unless format is a valid name of a native format.
func CheckFormat(format string) error {
	if len(format) > maxFormatSize {
		return fmt.Errorf("format: %w: %d bytes, want at most %d", ErrName, len(format), maxFormatSize)
	}
	if err := CheckName(format); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return nil
}

// writeNative writes a view in the native format of its backend.
func writeNative(ctx context.Context, v NativeView, t Target, o Options, progress func(Progress)) (Handle, error) {
	h := Handle{Keyspace: v.Keyspace(), States: v.States(), Format: v.Format()}
	if err := CheckFormat(h.Format); err != nil {
		return h, err
	}
	if o.Mode == Full {
		t = struct{ Target }{t} // hides the methods of a SharingTarget
	}
	meter := meter{report: progress, progress: Progress{OfGroups: h.Keyspace.Groups.Len()}}
	var err error
	h.Files, err = v.WriteNative(ctx, t, o.Name, meter.add)
	if err != nil {
		return Handle{}, err
	}
	meter.end()
	return h, nil
}

// checkFormat returns ErrFormat unless all parts have one format and the backend can read it.
func (p *restorePlan) checkFormat(b Backend) error {
	for i, part := range p.parts {
		if i > 0 && part.handle.Format != p.format {
			return fmt.Errorf("handles in two formats, %q and %q: %w", p.format, part.handle.Format, ErrFormat)
		}
		p.format = part.handle.Format
	}
	if native, ok := b.(NativeBackend); p.format != "" && (!ok || native.Format() != p.format) {
		return fmt.Errorf("the backend cannot read format %q: restore on a backend of that format "+
			"(an %[1]s+ URL) and take a snapshot with Mode: snapshot.Portable there (snapshots=portable in the URL): %w",
			p.format, ErrFormat)
	}
	return nil
}

// restoreNative makes the backend restore the handles of the plan.
func (p *restorePlan) restoreNative(ctx context.Context, src Source, b Backend) error {
	var handles []Handle
	for _, part := range p.parts {
		handles = append(handles, part.handle)
	}
	var unclaimed []backend.ID
	for id := range p.named {
		if !p.claimed[id] {
			unclaimed = append(unclaimed, id)
		}
	}
	return b.(NativeBackend).RestoreNative(ctx, src, handles, unclaimed)
}
