package durable

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/weirstate/weir/vfs"
)

// draftBytes is the buffer size of a Draft. Callers write pieces of a few hundred bytes, which would
// otherwise each be a system call.
const draftBytes = 64 << 10

// Draft is a new file that gets its name when it is complete. It is written under a temporary name,
// which starts with a dot. Unlike Publish, it never replaces a file. A crash may leave the temporary
// file; DraftOf recognizes it.
//
// Write takes the content. A successful Commit or an Abort ends the Draft;
// after a failed Commit, the caller must call Abort.
//
// Thread safety: one goroutine at a time. Several drafts may have the same name: the first
// Commit succeeds, and the others fail with fs.ErrExist.
type Draft struct {
	*bufio.Writer
	fs         vfs.FS
	file       vfs.File
	temp, name string
	tried      bool // Commit was called
	ended      bool // Commit succeeded, or Abort was called
}

// NewDraft creates a draft in an existing directory. It fails with fs.ErrExist if the name exists;
// another file may still get the name before Commit.
func NewDraft(fsys vfs.FS, name string) (*Draft, error) {
	if _, err := fsys.Stat(name); err == nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	temp, file, err := createDraft(fsys, name)
	if err != nil {
		return nil, err
	}
	return &Draft{Writer: bufio.NewWriterSize(file, draftBytes), fs: fsys, file: file, temp: temp, name: name}, nil
}

// createDraft creates a file with an unused temporary name. It skips the names of leftover files, so
// that a caller never gets fs.ErrExist because of a crash.
func createDraft(fsys vfs.FS, name string) (temp string, file vfs.File, err error) {
	dir, base := filepath.Split(name)
	for range maxTemps {
		temp = fmt.Sprintf("%s.%s.%08x%s", dir, base, rand.Uint32(), TempSuffix)
		if file, err = fsys.Create(temp); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return temp, file, err
}

// DraftOf returns the base name of a draft from the base name of its temporary file. It reports, as
// ok, whether temp is such a name.
func DraftOf(temp string) (base string, ok bool) {
	rest, ok := strings.CutSuffix(temp, TempSuffix)
	if !ok || len(rest) < len(".b.01234567") || rest[0] != '.' {
		return "", false
	}
	dot := len(rest) - len(".01234567")
	if _, err := hex.DecodeString(rest[dot+1:]); rest[dot] != '.' || err != nil {
		return "", false
	}
	return rest[1:dot], true
}

// Write implements io.Writer. After the end of the draft it returns fs.ErrClosed.
func (d *Draft) Write(p []byte) (int, error) {
	if d.ended {
		return 0, fs.ErrClosed
	}
	return d.Writer.Write(p)
}

// Commit gives the file its name. Once it returns nil, content and name survive a power cut. It
// fails with fs.ErrExist if the name exists: the name is created by a link, because a rename would
// replace a file.
func (d *Draft) Commit() error {
	if d.ended || d.tried { // a failed sync must not be repeated
		return fs.ErrClosed
	}
	d.tried = true
	if err := d.Flush(); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	if err := d.fs.Link(d.temp, d.name); err != nil {
		return err
	}
	if err := d.fs.SyncDir(filepath.Dir(d.name)); err != nil {
		return errors.Join(err, d.fs.Remove(d.name))
	}
	d.ended = true
	// The file is committed. A leftover temporary name does no harm.
	_ = d.file.Close()
	_ = d.fs.Remove(d.temp)
	return nil
}

// Abort removes the temporary file, unless somebody else has. After a successful Commit or another Abort it
// does nothing.
func (d *Draft) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	err := d.fs.Remove(d.temp)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(d.file.Close(), err)
}
