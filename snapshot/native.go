package snapshot

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// NativeView is a View that can also be written as the backend keeps it: in whole
// files, of which a later snapshot, or an earlier one, may have the most.
type NativeView interface {
	View
	// Format names the format. It is written into metadata; CheckFormat accepts it.
	Format() string
	// WriteNative writes the view under names that begin with name, or, if the
	// target is a SharingTarget, as files that may be shared, and returns all that make
	// the snapshot. They are durable. Wrote is told how many bytes were written, by
	// any goroutine. After an error, or the end of the context, no file is left that
	// is not whole, and no goroutine at work.
	WriteNative(ctx context.Context, t Target, name string, wrote func(bytes int64)) ([]FileRef, error)
}

// NativeBackend is a Backend whose views are NativeViews.
type NativeBackend interface {
	Backend
	// Format is that of its views.
	Format() string
	// RestoreNative restores, into a backend that was empty, the backend's key groups out of
	// handles of its format; each group is in one of them. States that the program
	// has not declared are let go. After an error the backend is of no use. One that
	// is due to a file names it.
	RestoreNative(ctx context.Context, src Source, handles []Handle, unclaimed []backend.ID) error
}

// maxFormatSize is what metadata takes.
const maxFormatSize = 32

// CheckFormat returns ErrName for a text that names no native format.
func CheckFormat(format string) error {
	if len(format) > maxFormatSize {
		return fmt.Errorf("format: %w: %d bytes", ErrName, len(format))
	}
	if err := CheckName(format); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	return nil
}

// writeNative writes a view in the format of its backend.
func writeNative(ctx context.Context, v NativeView, t Target, o Options, progress func(Progress)) (Handle, error) {
	h := Handle{Keyspace: v.Keyspace(), States: v.States(), Format: v.Format()}
	if err := CheckFormat(h.Format); err != nil {
		return h, err
	}
	if o.Mode == Full {
		t = struct{ Target }{t} // a SharingTarget no longer
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

// checkFormat sees that the backend reads what the parts are in.
func (p *restorePlan) checkFormat(b Backend) error {
	for i, part := range p.parts {
		if i > 0 && part.handle.Format != p.format {
			return fmt.Errorf("formats %q and %q: %w", p.format, part.handle.Format, ErrFormat)
		}
		p.format = part.handle.Format
	}
	if native, ok := b.(NativeBackend); p.format != "" && (!ok || native.Format() != p.format) {
		return fmt.Errorf("format %q: %w", p.format, ErrFormat)
	}
	return nil
}

// restoreNative hands the parts to the backend.
func (p *restorePlan) restoreNative(ctx context.Context, src Source, b Backend) error {
	var handles []Handle
	for _, part := range p.parts {
		handles = append(handles, part.handle)
	}
	var unclaimed []backend.ID
	for id := range p.known {
		if !p.claimed[id] {
			unclaimed = append(unclaimed, id)
		}
	}
	return b.(NativeBackend).RestoreNative(ctx, src, handles, unclaimed)
}
