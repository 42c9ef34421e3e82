// Package durable has the recipes by which a file or a directory is there whole or
// not at all after a power cut, and stays once a call has returned nil: Publish
// replaces a file, Draft makes a new one, MkdirAll makes directories. They follow
// from the rules of package vfs. The package may not know what a file holds.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/weirstate/weir/vfs"
)

// TempSuffix ends the names of files that Publish has not finished. The owner of a directory
// removes files with such names, left by a crash, when it opens the directory.
const TempSuffix = ".tmp"

// maxTemps bounds how many leftovers of one name Publish steps over. Each is
// one crash or one publisher at work.
const maxTemps = 1000

// Publish makes name hold what write writes, in one step: at any moment, also
// after a crash, name holds what it held before or all of the new content, and
// once Publish has returned nil it is the new one. The directory must exist.
//
// After an error name holds the old content, unless the error came from the last
// two steps: when Rename fails it may hold either, when SyncDir fails it reads
// as new and a crash may bring the old back. The temporary file is removed,
// unless removing it fails too; the error then has both causes. Otherwise
// Publish returns an error of write unchanged.
//
// Several may publish the same name at once: each complete, the last one stays.
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

// createTemp creates the first of name.tmp, name.1.tmp, … that is free. Counting
// keeps crash tests reproducible; stepping over what exists keeps publishers of
// one name apart.
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

// fill writes, syncs and closes the file. It is closed in any case.
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

// removeTemp tolerates that a rename which failed has moved the file after all.
func removeTemp(fsys vfs.FS, temp string) error {
	if err := fsys.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
