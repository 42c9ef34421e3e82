package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
)

// TempSuffix ends the names of files that Publish has not finished. Whoever
// owns a directory removes on opening what a crash left there under such names.
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
// unless removing it fails too; the error then has both causes. An error of
// write is otherwise returned as it is.
//
// Several may publish the same name at once: each complete, the last one stays.
func Publish(fsys FS, name string, write func(io.Writer) error) error {
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
func createTemp(fsys FS, name string) (temp string, f File, err error) {
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
func fill(f File, write func(io.Writer) error) error {
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
func removeTemp(fsys FS, temp string) error {
	if err := fsys.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveFile removes a regular file. Anything else under the name, a symbolic link
// included, is ErrNotRegular and stays.
func RemoveFile(fsys FS, name string) error { return removeFile(fsys, name, 0) }

// RemoveFileOrLink is RemoveFile but for a symbolic link, which it removes itself.
func RemoveFileOrLink(fsys FS, name string) error { return removeFile(fsys, name, fs.ModeSymlink) }

// removeFile removes a regular file, or what has the other type.
func removeFile(fsys FS, name string, other fs.FileMode) error {
	info, err := fsys.Lstat(name)
	if err == nil && !info.Mode().IsRegular() && info.Mode().Type() != other {
		err = &fs.PathError{Op: "remove", Path: name, Err: &irregular{info.Mode(), "file"}}
	}
	if err != nil {
		return err
	}
	return fsys.Remove(name)
}

// MkdirAllSync makes a directory and its missing parents, as MkdirAll does, and
// makes them durable: each new one's entry is synced before the next is made.
// The name must come from Resolve, or lie below one that does.
// It syncs the entry of the deepest directory that was there as well, because
// an earlier process may have died between making and syncing it. Without this
// a power cut can take a directory with all the synced files in it. One whose
// entry could not be synced is removed: the next call has to make it anew.
func MkdirAllSync(fsys FS, dir string) error {
	var missing []string // deepest first
	at := filepath.Clean(dir)
	for {
		info, err := fsys.Lstat(at)
		switch {
		case err != nil:
		case info.Mode()&fs.ModeSymlink != 0:
			err = &fs.PathError{Op: "mkdir", Path: at, Err: &irregular{info.Mode(), "directory"}}
		case !info.IsDir():
			err = &fs.PathError{Op: "mkdir", Path: at, Err: syscall.ENOTDIR}
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(at); errors.Is(err, fs.ErrNotExist) && parent != at {
			missing = append(missing, at)
			at = parent
			continue
		}
		return err
	}
	// A parent that may not be read, such as another user's /home, cannot be
	// synced; the directory was then not made by MkdirAllSync.
	if err := fsys.SyncDir(filepath.Dir(at)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, d := range slices.Backward(missing) {
		if err := fsys.MkdirAll(d); err != nil {
			return err
		}
		if err := fsys.SyncDir(filepath.Dir(d)); err != nil {
			return errors.Join(err, fsys.Remove(d))
		}
	}
	return nil
}
