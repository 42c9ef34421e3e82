// Package durable creates and replaces files and directories atomically and durably. Publish replaces
// a file, Draft makes a new file, and MkdirAll makes directories. After a power cut, each file is
// complete or does not exist; it exists if the call had returned nil. The package relies only on the
// guarantees of package vfs, and does not depend on the content of files.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/weirstate/weir/vfs"
)

// TempSuffix is the suffix of temporary files of Publish and Draft. The owner of a directory removes
// files with this suffix, left by a crash, when it opens the directory.
const TempSuffix = ".tmp"

// maxTemps is the highest number of existing temporary files of one name that Publish and NewDraft
// skip. Each is a leftover of a crash or belongs to a concurrent call.
const maxTemps = 1000

// Publish atomically replaces the content of a file by the output of write. At any time, also after a
// crash, name has its old content or all of the new content; once Publish has returned nil, it has
// the new content. The directory must exist.
//
//	create name.tmp -> write -> Sync -> Close -> Rename to name -> SyncDir
//
// If Publish fails before Rename, name has its old content. If Rename fails, it may have either one.
// If SyncDir fails, it reads as new, and a crash may restore the old content. Publish removes the
// temporary file; if that fails too, the error wraps both causes. It returns an error of
// write unchanged.
//
// Concurrent calls for one name are safe: the last one determines the content.
func Publish(fsys vfs.FS, name string, write func(io.Writer) error) error {
	temp, f, err := createTemp(fsys, name)
	if err != nil {
		return err
	}
	err = fill(f, write)
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		if removeErr := removeTemp(fsys, temp); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// createTemp creates the first of name.tmp, name.1.tmp, … that does not exist. Numbers, unlike random
// names, keep crash tests reproducible; skipping existing names separates concurrent callers.
func createTemp(fsys vfs.FS, name string) (temp string, f vfs.File, err error) {
	temp = name + TempSuffix
	for i := 1; ; i++ {
		f, err = fsys.Create(temp)
		if !errors.Is(err, fs.ErrExist) || i > maxTemps {
			return temp, f, err
		}
		temp = fmt.Sprintf("%s.%d%s", name, i, TempSuffix)
	}
}

// fill writes, syncs and closes a file. It also closes the file after an error.
func fill(f vfs.File, write func(io.Writer) error) error {
	err := write(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// removeTemp removes a temporary file. A missing file is not an error, because a rename that failed
// may have moved it.
func removeTemp(fsys vfs.FS, temp string) error {
	if err := fsys.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
