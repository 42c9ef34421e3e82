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

// stage is a directory in which a restore collects the files of tables, before they
// become those of the tree by hard links. Files are linked into it where the source
// can, or a local copy is there, and else copied.
type stage struct {
	fs        vfs.FS
	directory *directory
	dir       string
	copies    *LocalCopies
}

func newStage(d *directory, c *LocalCopies) *stage { return &stage{d.fs, d, d.stage(), c} }

// stagedFile is a file of a snapshot, or a table that its description has.
type stagedFile struct {
	ref    snapshot.FileRef // nothing but the name of the description for a packed table
	base   string           // in the stage
	packed []byte
}

func (f *stagedFile) name() string { return f.ref.Name }

// stagedOf is where a table of one of several handles goes. A file that several of
// them have is there once.
func stagedOf(handle int, h snapshot.Handle, place tablePlace) stagedFile {
	if place.file == 0 {
		base := strconv.Itoa(handle) + "." + strconv.FormatUint(place.number, 10)
		return stagedFile{ref: h.Files[0], base: base, packed: place.packed}
	}
	ref := h.Files[place.file]
	return stagedFile{ref: ref, base: "file." + ref.Name}
}

// isStaged reports whether stagedOf makes a name.
func isStaged(base string) bool {
	if name, ok := strings.CutPrefix(base, "file."); ok {
		return snapshot.CheckName(name) == nil
	}
	handle, number, ok := strings.Cut(base, ".")
	_, handleErr := strconv.ParseUint(handle, 10, 64)
	_, numberErr := strconv.ParseUint(number, 10, 64)
	return ok && handleErr == nil && numberErr == nil
}

func (s *stage) path(f stagedFile) string { return filepath.Join(s.dir, f.base) }

// remove removes it.
func (s *stage) remove() error { return s.directory.clearStage() }

// fill collects files, each once.
func (s *stage) fill(ctx context.Context, src snapshot.Source, files []stagedFile) error {
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
		return ofFile(once[i].name(), s.take(ctx, src, once[i]))
	})
}

// take brings a file to the stage.
func (s *stage) take(ctx context.Context, src snapshot.Source, f stagedFile) error {
	if f.packed != nil {
		return s.write(s.path(f), func(out io.Writer) error { _, err := out.Write(f.packed); return err })
	}
	if linker, ok := src.(snapshot.LinkingSource); ok && linker.Link(ctx, f.ref.Name, s.path(f)) == nil {
		if found, err := s.checkLink(f); found {
			return err
		}
	}
	if s.takeLocal(ctx, f) {
		return nil
	}
	return s.copy(ctx, src, f)
}

// takeLocal takes a local copy, if there is one that is what the snapshot says. All of it
// is compared: damage on the local disk may be what the restore is for.
func (s *stage) takeLocal(ctx context.Context, f stagedFile) bool {
	if !s.copies.take(f.ref.Identity, s.path(f)) {
		return false
	}
	if found, err := s.checkLink(f); found && err == nil && s.hasContent(ctx, f) {
		return true
	}
	if ctx.Err() == nil {
		s.copies.forget(f.ref.Identity)
	}
	_ = s.fs.Remove(s.path(f)) // if it is there still, the copy says so
	return false
}

// hasContent compares all of a file in the stage with its reference.
func (s *stage) hasContent(ctx context.Context, f stagedFile) bool {
	in, err := s.fs.Open(s.path(f))
	if err != nil {
		return false
	}
	defer in.Close()
	digest := xxhash.New()
	_, err = pieces(ctx, in, min(f.ref.Size, pieceBytes), func(b []byte) error { _, err := digest.Write(b); return err })
	return err == nil && digest.Sum64() == f.ref.Checksum
}

// checkLink compares the size of a file that was linked; found is false if it is
// elsewhere, as with a source on another file system than the backend's.
func (s *stage) checkLink(f stagedFile) (found bool, err error) {
	info, err := s.fs.Lstat(s.path(f))
	if err != nil {
		return false, nil
	}
	return true, checkSize(f.ref, info.Size())
}

func checkSize(ref snapshot.FileRef, size int64) error {
	if size != ref.Size {
		return fmt.Errorf("%d bytes, want %d: %w", size, ref.Size, snapshot.ErrMismatch)
	}
	return nil
}

// copy copies a file and compares all of it with its reference.
func (s *stage) copy(ctx context.Context, src snapshot.Source, f stagedFile) (err error) {
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
		_, err := pieces(ctx, io.NewSectionReader(in, 0, size), min(size, pieceBytes), func(b []byte) error {
			_, _ = digest.Write(b) // it never fails
			_, err := out.Write(b)
			return err
		})
		return err
	})
	if err == nil && digest.Sum64() != f.ref.Checksum {
		err = fmt.Errorf("checksum: %w", snapshot.ErrCorrupt)
	}
	return err
}

// write makes a file. It need not survive a crash: the tree does not either.
func (s *stage) write(path string, fill func(io.Writer) error) error {
	out, err := s.fs.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(fill(out), out.Close())
}

// readDescription reads the first file of a native snapshot.
func readDescription(ctx context.Context, src snapshot.Source, ref snapshot.FileRef) (d *description, err error) {
	if ref.Size < 0 || ref.Size > maxDescriptionBytes {
		return nil, fmt.Errorf("%d bytes, limit %d: %w", ref.Size, maxDescriptionBytes, snapshot.ErrCorrupt)
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
			err = fmt.Errorf("it ends early: %w", snapshot.ErrMismatch)
		}
		return nil, err
	}
	if xxhash.Sum64(b) != ref.Checksum {
		return nil, fmt.Errorf("checksum: %w", snapshot.ErrCorrupt)
	}
	if d, err = decodeDescription(b); err == nil && d.identity != ref.Identity {
		err = fmt.Errorf("identity: %w", snapshot.ErrMismatch)
	}
	return d, err
}
