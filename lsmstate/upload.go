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

// upload writes the file of a table to the target and sets name, checksum and Shared of its
// reference.
func (w *nativeWriter) upload(ctx context.Context, t lsm.TableFile, ref *snapshot.FileRef) (err error) {
	suffix := strconv.FormatUint(t.Number, 10)
	created := snapshot.FileRef{Name: w.name + "." + suffix}
	var f snapshot.File
	if sharing, ok := w.target.(snapshot.SharingTarget); ok {
		f, created, err = sharing.Share(ctx, suffix)
	} else {
		f, err = w.target.Create(ctx, created.Name)
	}
	if err != nil {
		return wrapFileError(created.Name, err)
	}
	committed := false
	defer func() { // deferred, because the target may panic
		if !committed {
			err = errors.Join(err, f.Abort())
		}
	}()
	digest := xxhash.New()
	err = w.read(ctx, t, func(b []byte) error {
		_, _ = digest.Write(b) // never fails
		n, err := f.Write(b)
		w.wrote(int64(n))
		return err
	})
	if err == nil {
		err = commit(ctx, f)
	}
	if committed = err == nil; !committed {
		return wrapFileError(created.Name, err)
	}
	ref.Name, ref.Shared, ref.Checksum = created.Name, created.Shared, digest.Sum64()
	return nil
}

// pieceBytes is the number of bytes that are read between two checks of the context.
const pieceBytes = 1 << 20

// read calls yield with the content of a table's file, piece by piece.
func (w *nativeWriter) read(ctx context.Context, t lsm.TableFile, yield func([]byte) error) (err error) {
	in, err := w.tables.Open(t.Number)
	if err != nil {
		return fmt.Errorf("table %d: %w", t.Number, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	size, err := readPieces(ctx, in, min(t.Bytes, pieceBytes), yield)
	if err == nil && size != t.Bytes {
		err = fmt.Errorf("table %d has %d bytes, want %d: %w", t.Number, size, t.Bytes, lsm.ErrCorrupt)
	}
	return wrapLSMError(err)
}

// readPieces calls yield with r's content, piece by piece, and returns its size.
func readPieces(ctx context.Context, r io.Reader, pieceBytes int64, yield func([]byte) error) (size int64, err error) {
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

// abort aborts a file and returns the error that caused it, joined with that of Abort.
func abort(f snapshot.File, reason error) error { return errors.Join(reason, f.Abort()) }

// wrapFileError adds the name of a file to an error. It returns nil for nil.
func wrapFileError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("file %q: %w", name, err)
}
