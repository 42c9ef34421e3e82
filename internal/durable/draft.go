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

// draftBytes is what goes from a Draft to its file at a time: who writes may do
// so in pieces of a few hundred bytes.
const draftBytes = 64 << 10

// Draft is a file without its name: it is written under a temporary one, which
// starts with a dot, and gets its own when it is whole. Unlike Publish it never
// replaces a file. A crash may leave the temporary file behind; DraftOf knows it.
//
// Write, of the bufio.Writer, takes the content. A Commit that succeeds or an
// Abort ends the Draft; after a Commit that fails, Abort is due.
//
// Thread safety: one goroutine at a time. Several drafts of one name are apart,
// and the first to commit gets it.
type Draft struct {
	*bufio.Writer
	fs         vfs.FS
	file       vfs.File
	temp, name string
	tried      bool // Commit was called
	ended      bool
}

// NewDraft begins a file in a directory that exists. It fails with fs.ErrExist
// if the name is taken already; Commit finds out for sure.
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

// createDraft steps over the leftovers of crashes, so that fs.ErrExist is never
// said of a name that is free.
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

// DraftOf is the base name for which a draft with this temporary base name was
// begun; ok is false if it is no such name.
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

// Commit gives the file its name. When it returns nil, content and name survive
// a power cut; fs.ErrExist means that the name is taken. The name is made by a
// link, which fails if it exists, as a rename would not.
func (d *Draft) Commit() error {
	if d.ended || d.tried { // a sync that has failed may not be tried again
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
	// The file is committed. The rest of the temporary file does no harm.
	_ = d.file.Close()
	_ = d.fs.Remove(d.temp)
	return nil
}

// Abort removes the temporary file. After a Commit that succeeded, or another
// Abort, it does nothing.
func (d *Draft) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	return errors.Join(d.file.Close(), d.fs.Remove(d.temp))
}
