package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Options says how a snapshot is written.
type Options struct {
	// Name is the file's name in the target. Default "state".
	Name string
	// Mode is the format. Default Portable.
	Mode Mode
	// Compression of the rows of the portable format. Default Zstd.
	Compression Compression
	// Synchronous writes the snapshot before Start returns. The task waits; set
	// it where a second goroutine is not wanted, or to compare. Default false.
	Synchronous bool
}

// Mode says in which format a snapshot is written.
type Mode uint8

const (
	// Portable is the format that every backend writes and loads, in one file.
	Portable Mode = iota
	// Full is the native format of a NativeBackend, in files of this snapshot alone.
	Full
	// Incremental is Full, but that files are shared with later snapshots and those
	// of an earlier one are not written again, if the target is a SharingTarget.
	Incremental
)

// Progress says how far a snapshot is.
type Progress struct {
	// Groups of OfGroups key groups are written. Keys are spread evenly over
	// key groups, so their ratio is a good estimate of the work done. A native format
	// has all of them at its end.
	Groups, OfGroups int
	// Rows and Bytes are what was written so far.
	Rows, Bytes int64
}

// Running is a snapshot under way.
//
// Thread safety: safe for concurrent use.
type Running struct {
	pause    time.Duration
	cancel   context.CancelCauseFunc
	progress atomic.Pointer[Progress]
	done     chan struct{}
	handle   Handle // once done
	err      error
}

// Start takes a snapshot of a backend: the view at once, on the caller's
// goroutine, which must be the task's; the writing on another goroutine. A
// snapshot that fails, or whose context ends, leaves nothing in the target, but for
// whole files of a native format, which are the target's to remove.
func Start(ctx context.Context, b Backend, t Target, o Options) (*Running, error) {
	if o.Name == "" {
		o.Name = "state"
	}
	if err := CheckName(o.Name); err != nil {
		return nil, fmt.Errorf("snapshot: Options.Name: %w: %w", ErrInvalidOption, err)
	}
	if o.Mode > Incremental {
		return nil, fmt.Errorf("snapshot: Mode is %d, want 0 to %d: %w", o.Mode, Incremental, ErrInvalidOption)
	}
	if o.Compression > None {
		return nil, fmt.Errorf("snapshot: Compression is %d, want 0 to %d: %w", o.Compression, None, ErrInvalidOption)
	}
	if b == nil || t == nil {
		return nil, fmt.Errorf("snapshot: backend and target are required: %w", backend.ErrInvalid)
	}
	begin := time.Now()
	v, err := b.View()
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if _, ok := v.(NativeView); o.Mode != Portable && !ok {
		v.Close()
		return nil, fmt.Errorf("snapshot: no native format: %w", ErrFormat)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r := &Running{cancel: cancel, done: make(chan struct{})}
	r.progress.Store(&Progress{OfGroups: v.Keyspace().Groups.Len()})
	if o.Synchronous {
		r.run(ctx, v, t, o)
	} else {
		go r.run(ctx, v, t, o)
	}
	r.pause = time.Since(begin)
	return r, nil
}

func (r *Running) run(ctx context.Context, v View, t Target, o Options) {
	defer close(r.done)
	defer r.cancel(nil)
	defer v.Close()
	// What a codec or a target of the program's own does on this goroutine must
	// neither end the process nor pass for success.
	r.err = ErrPanic
	defer func() {
		recover() //nolint:errcheck // its text may quote data
		if r.err != nil {
			r.err = fmt.Errorf("snapshot %q: %w", o.Name, r.err)
		}
	}()
	report := func(p Progress) { r.progress.Store(&p) }
	if o.Mode == Portable {
		r.handle, r.err = writeTo(ctx, v, t, o, report)
	} else {
		r.handle, r.err = writeNative(ctx, v.(NativeView), t, o, report)
	}
}

// Pause is how long the task was stopped: for the view, and for the writing too
// if that was synchronous.
func (r *Running) Pause() time.Duration { return r.pause }

// Progress says how far the snapshot is.
func (r *Running) Progress() Progress { return *r.progress.Load() }

// Done is closed when the snapshot has ended, well or not.
func (r *Running) Done() <-chan struct{} { return r.done }

// Cancel ends the snapshot soon, with ErrCanceled, unless it has ended.
func (r *Running) Cancel() { r.cancel(ErrCanceled) }

// Wait waits for the end and returns what was written. The files are durable.
func (r *Running) Wait() (Handle, error) {
	<-r.done
	return r.handle, r.err
}

// writeTo writes a view into one file of a target.
func writeTo(ctx context.Context, v View, t Target, o Options, progress func(Progress)) (h Handle, err error) {
	file, err := t.Create(ctx, o.Name)
	if err != nil {
		return h, err
	}
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, file.Abort())
		}
	}()
	w, err := newWriter(file, vfs.NewIdentity(), o.Compression)
	if err != nil {
		return h, err
	}
	if err := w.view(ctx, v, progress); err != nil {
		return h, err
	}
	if ctx.Err() != nil {
		return h, context.Cause(ctx)
	}
	if err := file.Commit(); err != nil {
		return h, err
	}
	committed = true
	ref := FileRef{Name: o.Name, Identity: w.id, Size: w.offset, Checksum: w.digest.Sum64(), Bounds: v.Keyspace().Groups}
	return Handle{Keyspace: v.Keyspace(), States: v.States(), Files: []FileRef{ref}, Rows: w.rows}, nil
}
