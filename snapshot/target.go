package snapshot

import (
	"context"
	"fmt"
	"io"
)

// Target is the storage to which a snapshot writes its files. Its methods need only operations
// that object stores have.
//
// Thread safety: safe for concurrent use.
type Target interface {
	// Create starts a file. The file is not visible under its name before Commit. If the
	// name exists already, Create or Commit returns fs.ErrExist.
	Create(ctx context.Context, name string) (File, error)
}

// File is a file that is being written. The writer calls Commit once, and Abort if it does not
// call Commit or if Commit fails. Abort after a successful Commit or a second Abort does
// nothing. Write and Commit after the end of the file return an error. Write does not keep the
// bytes after it has returned.
type File interface {
	io.Writer
	// Commit makes the file visible under its name. When it returns nil, the file's bytes
	// and its name survive a power cut.
	Commit() error
	// Abort removes the unfinished file.
	Abort() error
}

// SharingTarget is a Target whose files may belong to several snapshots.
type SharingTarget interface {
	Target
	// Share starts a file that later snapshots may refer to. The target chooses the file's
	// name, which ends with a dot and suffix. Share sets Name and Shared of the returned
	// reference. Shared is false if the target cannot share the file.
	Share(ctx context.Context, suffix string) (File, FileRef, error)
	// Confirmed returns the file with the given identity if the base of this snapshot, an
	// earlier complete snapshot, has it. The target keeps that file until this snapshot has
	// ended. It returns false if the base does not have the file.
	Confirmed(Identity) (FileRef, bool)
}

// CombiningTarget is a SharingTarget that writes many small shared files into one object. There a
// small file costs only its bytes, so a backend need not put it into another file, which it would write
// again in every snapshot.
type CombiningTarget interface {
	SharingTarget
	// CombinedBytes returns the size in bytes up to which a shared file is small; 0 for no file.
	CombinedBytes() int64
}

// Source is the storage from which a restore reads the files of a snapshot.
//
// Thread safety: safe for concurrent use.
type Source interface {
	// Open opens a file for reading. It returns fs.ErrNotExist if the file is missing.
	Open(ctx context.Context, name string) (Object, error)
}

// LinkingSource is a Source whose files are on this machine.
type LinkingSource interface {
	Source
	// Link makes path a hard link to a file; path must not exist. It returns an error if
	// that is not possible; the caller then reads the file. Nobody may write to either name.
	// The file exists until both names are removed.
	Link(ctx context.Context, name, path string) error
}

// Object is an open file of a Source.
type Object interface {
	io.ReaderAt
	io.Closer
	// Size returns the size in bytes.
	Size() (int64, error)
}

// maxNameSize leaves room for the suffix of a temporary name within the 255 bytes that common
// file systems allow.
const maxNameSize = 200

// CheckName returns ErrName unless name is valid for every Target. Readers of metadata check
// names with it, since another program may have written the metadata.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the name is empty", ErrName)
	case len(name) > maxNameSize:
		return fmt.Errorf("%w: %d bytes, want at most %d", ErrName, len(name), maxNameSize)
	case name[0] == '.':
		return fmt.Errorf("%w: the name begins with a dot", ErrName)
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return fmt.Errorf("%w: byte %#02x; want ASCII letters and digits, dots, dashes and underscores", ErrName, c)
		}
	}
	return nil
}
