package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// staging is the directory in which a restore collects the files of tables. lsm.Restore then makes
// hard links to them in the directory of the tree. A file gets into the staging directory by a hard
// link if the source can make one or if there is a local copy, otherwise by a copy.
type staging struct {
	fs        vfs.FS
	directory *directory
	dir       string
	copies    *LocalCopies
}

func newStaging(d *directory, c *LocalCopies) *staging { return &staging{d.fs, d, d.stagingDir(), c} }

// stagedFile is a file in the staging directory: a file of a snapshot, or a table whose content is
// in the description of a snapshot.
type stagedFile struct {
	ref    snapshot.FileRef // the file of the snapshot; the description for a packed table
	base   string           // the name in the staging directory
	packed []byte           // the content of a packed table, nil for others
}

// name returns the name of the snapshot's file, for errors.
func (f *stagedFile) name() string { return f.ref.Name }

// stagedTable returns the staged file for a table of the handle with a number. Handles that share
// a file get the same staged file.
func stagedTable(handle int, h snapshot.Handle, at tableLocation) stagedFile {
	if at.file == 0 {
		base := strconv.Itoa(handle) + "." + strconv.FormatUint(at.number, 10)
		return stagedFile{ref: h.Files[0], base: base, packed: at.packed}
	}
	ref := h.Files[at.file]
	return stagedFile{ref: ref, base: "file." + ref.Name}
}

// isStagedName reports whether stagedTable can return a file with the name base.
func isStagedName(base string) bool {
	if name, ok := strings.CutPrefix(base, "file."); ok {
		return snapshot.CheckName(name) == nil
	}
	handle, number, ok := strings.Cut(base, ".")
	_, handleErr := strconv.ParseUint(handle, 10, 64)
	_, numberErr := strconv.ParseUint(number, 10, 64)
	return ok && handleErr == nil && numberErr == nil
}

// path returns the path of a staged file.
func (s *staging) path(f stagedFile) string { return filepath.Join(s.dir, f.base) }

// remove removes the staging directory.
func (s *staging) remove() error { return s.directory.clearStaging() }

// fill collects files. It skips duplicates.
func (s *staging) fill(ctx context.Context, src snapshot.Source, files []stagedFile) error {
	if err := s.directory.lock.Check(); err != nil {
		return err
	}
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return err
	}
	seen := make(map[string]bool)
	var once []stagedFile
	for _, f := range files {
		if !seen[f.base] {
			seen[f.base] = true
			once = append(once, f)
		}
	}
	return concurrently(ctx, len(once), func(ctx context.Context, i int) error {
		return wrapFileError(once[i].name(), s.fetch(ctx, src, once[i]))
	})
}

// fetch links, copies or writes a file into the staging directory.
func (s *staging) fetch(ctx context.Context, src snapshot.Source, f stagedFile) error {
	if f.packed != nil {
		return s.write(s.path(f), func(out io.Writer) error { _, err := out.Write(f.packed); return err })
	}
	if linking, ok := src.(snapshot.LinkingSource); ok && linking.Link(ctx, f.ref.Name, s.path(f)) == nil {
		if found, err := s.checkLink(f); found {
			return err
		}
	}
	if s.linkLocalCopy(ctx, f) {
		return nil
	}
	return s.copy(ctx, src, f)
}

// linkLocalCopy links a local copy, and reports whether there is an intact one. It verifies the whole
// file, because damage on the local disk may be the reason of the restore.
func (s *staging) linkLocalCopy(ctx context.Context, f stagedFile) bool {
	if !s.copies.link(f.ref.Identity, s.path(f)) {
		return false
	}
	if found, err := s.checkLink(f); found && err == nil && s.hasContent(ctx, f) {
		return true
	}
	if ctx.Err() == nil {
		s.copies.forget(f.ref.Identity)
	}
	_ = s.fs.Remove(s.path(f)) // if that fails, the copy to this path returns the error
	return false
}

// hasContent reports whether a staged file has the checksum of its reference.
func (s *staging) hasContent(ctx context.Context, f stagedFile) bool {
	in, err := s.fs.Open(s.path(f))
	if err != nil {
		return false
	}
	defer in.Close()
	digest := xxhash.New()
	_, err = readPieces(ctx, in, min(f.ref.Size, pieceBytes), func(b []byte) error { _, err := digest.Write(b); return err })
	return err == nil && digest.Sum64() == f.ref.Checksum
}

// checkLink compares the size of a linked file with its reference. It returns found false if the
// link is not in the staging directory, as if the source uses another vfs.FS than the backend.
func (s *staging) checkLink(f stagedFile) (found bool, err error) {
	info, err := s.fs.Lstat(s.path(f))
	if err != nil {
		return false, nil
	}
	return true, checkSize(f.ref, info.Size())
}

// checkSize returns ErrMismatch unless a file has the size of its reference.
func checkSize(ref snapshot.FileRef, size int64) error {
	if size != ref.Size {
		return fmt.Errorf("file has %d bytes, want %d: %w", size, ref.Size, snapshot.ErrMismatch)
	}
	return nil
}

// copy copies a file and verifies its size and checksum.
func (s *staging) copy(ctx context.Context, src snapshot.Source, f stagedFile) (err error) {
	in, err := src.Open(ctx, f.ref.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	size, err := in.Size()
	if err == nil {
		err = checkSize(f.ref, size)
	}
	if err != nil {
		return err
	}
	digest := xxhash.New()
	err = s.write(s.path(f), func(out io.Writer) error {
		_, err := readPieces(ctx, io.NewSectionReader(in, 0, size), min(size, pieceBytes), func(b []byte) error {
			_, _ = digest.Write(b) // never fails
			_, err := out.Write(b)
			return err
		})
		return err
	})
	if err == nil && digest.Sum64() != f.ref.Checksum {
		err = fmt.Errorf("checksum of the file does not match: %w", snapshot.ErrCorrupt)
	}
	return err
}

// write creates a file. It does not sync the file, since the tree does not survive a crash either.
func (s *staging) write(path string, fill func(io.Writer) error) error {
	out, err := s.fs.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(out), out.Close())
}

// readDescription reads and verifies the description, the first file of a native snapshot.
func readDescription(ctx context.Context, src snapshot.Source, ref snapshot.FileRef) (d *description, err error) {
	if ref.Size < 0 || ref.Size > maxDescriptionBytes {
		return nil, fmt.Errorf("description has %d bytes, limit %d: %w", ref.Size, maxDescriptionBytes, snapshot.ErrCorrupt)
	}
	in, err := src.Open(ctx, ref.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	size, err := in.Size()
	if err == nil {
		err = checkSize(ref, size)
	}
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(in, 0, size), b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("description is shorter than its size: %w", snapshot.ErrMismatch)
		}
		return nil, err
	}
	if xxhash.Sum64(b) != ref.Checksum {
		return nil, fmt.Errorf("checksum of the description does not match: %w", snapshot.ErrCorrupt)
	}
	if d, err = decodeDescription(b); err == nil && d.identity != ref.Identity {
		err = fmt.Errorf("description has identity %v, want %v: %w", d.identity, ref.Identity, snapshot.ErrMismatch)
	}
	return d, err
}
