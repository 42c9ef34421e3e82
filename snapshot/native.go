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
	// Form names the form. It is written into metadata; CheckForm accepts it.
	Form() string
	// WriteNative writes the view under names that begin with name, or, if the
	// target is a Sharing, as files that may be shared, and returns all that make
	// the snapshot. They are durable. Wrote is told how many bytes were written, by
	// any goroutine. After an error, or the end of the context, no file is left that
	// is not whole, and no goroutine at work.
	WriteNative(ctx context.Context, t Target, name string, wrote func(bytes int64)) ([]FileRef, error)
}

// NativeBackend is a Backend whose views are NativeViews.
type NativeBackend interface {
	Backend
	// Form is that of its views.
	Form() string
	// Adopt restores, into a backend that was empty, the backend's key groups out of
	// handles of its form; each group is in one of them. States that the program
	// has not declared are let go. After an error the backend is of no use. One that
	// is due to a file names it.
	Adopt(ctx context.Context, src Source, handles []Handle, unclaimed []backend.ID) error
}

// maxFormSize is what metadata takes.
const maxFormSize = 32

// CheckForm returns ErrName for a text that names no native form.
func CheckForm(form string) error {
	if len(form) > maxFormSize {
		return fmt.Errorf("form: %w: %d bytes", ErrName, len(form))
	}
	if err := CheckName(form); err != nil {
		return fmt.Errorf("form: %w", err)
	}
	return nil
}

// writeNative writes a view in the form of its backend.
func writeNative(ctx context.Context, v NativeView, t Target, o Options, progress func(Progress)) (Handle, error) {
	h := Handle{Keyspace: v.Keyspace(), States: v.States(), Form: v.Form()}
	if err := CheckForm(h.Form); err != nil {
		return h, err
	}
	if o.Mode == Full {
		t = struct{ Target }{t} // a Sharing no longer
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

// checkForm sees that the backend reads what the parts are in.
func (p *restorePlan) checkForm(b Backend) error {
	for i, part := range p.parts {
		if i > 0 && part.handle.Form != p.form {
			return fmt.Errorf("forms %q and %q: %w", p.form, part.handle.Form, ErrForm)
		}
		p.form = part.handle.Form
	}
	if native, ok := b.(NativeBackend); p.form != "" && (!ok || native.Form() != p.form) {
		return fmt.Errorf("form %q: %w", p.form, ErrForm)
	}
	return nil
}

// adopt hands the parts to the backend.
func (p *restorePlan) adopt(ctx context.Context, src Source, b Backend) error {
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
	return b.(NativeBackend).Adopt(ctx, src, handles, unclaimed)
}
