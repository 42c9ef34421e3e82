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

// Options configures a snapshot. The zero value is a portable snapshot.
type Options struct {
	// Name is the name of the file in the target; the names of native files begin with it.
	// Default "state".
	Name string
	// Mode is the format, and whether files are shared. Default Portable.
	Mode Mode
	// Compression is the compression of rows in the portable format. Default Zstd.
	Compression Compression
	// Synchronous makes Start write the snapshot before it returns, so that the task waits.
	// Set it if the program must not use a second goroutine, or to compare. Default false.
	Synchronous bool
}

// Mode selects the format of a snapshot.
type Mode uint8

const (
	// Portable is the format that every backend writes and loads. It is one file.
	Portable Mode = iota
	// Full is the native format of a NativeBackend, in files that no other snapshot shares.
	Full
	// Incremental is the native format with shared files: the snapshot does not write the
	// files that an earlier one has, if the target is a SharingTarget.
	Incremental
)

// Progress is the progress of a snapshot.
type Progress struct {
	// Groups is the number of key groups written so far, OfGroups the number of all key
	// groups. Keys are spread evenly over key groups, so Groups/OfGroups is a good estimate of
	// the work done. In a native format Groups is 0 until the snapshot is complete.
	Groups, OfGroups int
	// Rows and Bytes are the numbers of rows and bytes written so far. A native format does
	// not count rows.
	Rows, Bytes int64
}

// Running is a snapshot in progress.
//
// A snapshot has a synchronous and an asynchronous half, so that the task stops only for the
// first:
//
//	task        Start ──┬── View() ──┬── returns ── next element ─ ... ── Wait or Done
//	                    |<- Pause  ->|   |
//	goroutine                            └─ run: write rows ─ Commit ─ Close view ─ close(done)
//
// The synchronous half, Backend.View, pins the content of the backend in constant time: heap
// backends number a version of their copy-on-write pages, lsmstate seals the memtable and pins
// a version of the tree. The asynchronous half reads the view, key group by key group, and
// writes it to the target, while the task changes the backend. It offers the processor to the
// task at intervals (pace.Pacer), because on few processors a long loop would stop the task
// after all.
//
// The asynchronous half calls code of the program: codecs encode values, and the target writes
// files. If that code panics, or ends the goroutine, the snapshot fails with ErrPanic, and the
// process continues.
//
// Invariant: the view is closed and the unfinished file is removed before done is closed.
//
// Invariant: handle and err are set before done is closed, and not changed afterwards.
//
// Invariant: Wait returns a nil error only if all files are durable.
//
// Thread safety: safe for concurrent use.
type Running struct {
	pause    time.Duration
	cancel   context.CancelCauseFunc
	progress atomic.Pointer[Progress]
	done     chan struct{}
	handle   Handle // valid once done is closed
	err      error  // valid once done is closed
}

// Start takes a snapshot of a backend. It takes the view in the caller's goroutine, which must
// be the task's, and writes it to the target in another goroutine. A snapshot that fails, or
// whose context ends, leaves no file in the target, except complete files of a native format;
// the target must remove those.
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
		return nil, fmt.Errorf("snapshot: the backend has no native format: %w", ErrFormat)
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

// run is the asynchronous half.
func (r *Running) run(ctx context.Context, v View, t Target, o Options) {
	defer close(r.done)
	defer r.cancel(nil)
	defer v.Close()
	// If a codec or a target of the program panics or ends this goroutine, err stays
	// ErrPanic, and the process continues.
	r.err = ErrPanic
	defer func() {
		recover() //nolint:errcheck // the text of the panic may quote data
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

// Pause returns how long the task was stopped: the time to take the view, and the time to write
// it if the snapshot is synchronous.
func (r *Running) Pause() time.Duration { return r.pause }

// Progress returns the progress so far.
func (r *Running) Progress() Progress { return *r.progress.Load() }

// Done returns a channel that is closed when the snapshot has ended, with success or an error.
func (r *Running) Done() <-chan struct{} { return r.done }

// Cancel makes the snapshot end with ErrCanceled soon. It does nothing if the snapshot has ended.
func (r *Running) Cancel() { r.cancel(ErrCanceled) }

// Wait waits for the end of the snapshot and returns its handle. The files are durable.
func (r *Running) Wait() (Handle, error) {
	<-r.done
	return r.handle, r.err
}

// writeTo writes a view in the portable format, as one file of a target.
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
