package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
)

// upload writes the file of a table to the target and completes its reference.
func (w *nativeWriter) upload(ctx context.Context, t lsm.TableFile, ref *snapshot.FileRef) (err error) {
	suffix := strconv.FormatUint(t.Number, 10)
	name := snapshot.FileRef{Name: w.name + "." + suffix}
	var f snapshot.File
	if sharing, ok := w.target.(snapshot.SharingTarget); ok {
		f, name, err = sharing.Share(ctx, suffix)
	} else {
		f, err = w.target.Create(ctx, name.Name)
	}
	if err != nil {
		return ofFile(name.Name, err)
	}
	committed := false
	defer func() { // also if the target panics
		if !committed {
			err = errors.Join(err, f.Abort())
		}
	}()
	digest := xxhash.New()
	err = w.read(ctx, t, func(b []byte) error {
		_, _ = digest.Write(b) // it never fails
		n, err := f.Write(b)
		w.wrote(int64(n))
		return err
	})
	if err == nil {
		err = commit(ctx, f)
	}
	if committed = err == nil; !committed {
		return ofFile(name.Name, err)
	}
	ref.Name, ref.Shared, ref.Checksum = name.Name, name.Shared, digest.Sum64()
	return nil
}

// pieceBytes is how much is read between two looks at the context.
const pieceBytes = 1 << 20

// read calls yield with the file of a table, piece by piece.
func (w *nativeWriter) read(ctx context.Context, t lsm.TableFile, yield func([]byte) error) (err error) {
	in, err := w.tables.Open(t.Number)
	if err != nil {
		return fmt.Errorf("table %d: %w", t.Number, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	size, err := pieces(ctx, in, min(t.Bytes, pieceBytes), yield)
	if err == nil && size != t.Bytes {
		err = fmt.Errorf("table %d has %d bytes, not %d: %w", t.Number, size, t.Bytes, lsm.ErrCorrupt)
	}
	return ofTree(err)
}

// pieces reads to the end, and returns how much that was.
func pieces(ctx context.Context, r io.Reader, pieceBytes int64, yield func([]byte) error) (size int64, err error) {
	buffer := make([]byte, max(pieceBytes, 1))
	for {
		if ctx.Err() != nil {
			return size, context.Cause(ctx)
		}
		n, err := io.ReadFull(r, buffer)
		size += int64(n)
		if n > 0 {
			if err := yield(buffer[:n]); err != nil {
				return size, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// commit commits a file unless the context has ended.
func commit(ctx context.Context, f snapshot.File) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return f.Commit()
}

// abort ends a file for a reason.
func abort(f snapshot.File, reason error) error { return errors.Join(reason, f.Abort()) }

// ofFile says which file an error is about.
func ofFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("file %q: %w", name, err)
}
