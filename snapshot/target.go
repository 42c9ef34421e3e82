package snapshot

import (
	"context"
	"fmt"
	"io"
)

// Target takes the files that a snapshot writes. It asks no more than an
// object store can do.
//
// Thread safety: safe for concurrent use.
type Target interface {
	// Create starts a file. Nothing is visible under the name before Commit;
	// a name that exists already is fs.ErrExist, here or at Commit.
	Create(ctx context.Context, name string) (File, error)
}

// File is a file being written. A Commit that succeeds or an Abort ends it;
// calling Abort after either does nothing. After a Commit that fails, Abort is
// due.
type File interface {
	io.Writer
	// Commit makes the file visible under its name. When it returns nil, the
	// bytes and the name survive a power cut.
	Commit() error
	// Abort removes all traces of the file.
	Abort() error
}

// SharingTarget is a Target whose files may belong to several snapshots.
type SharingTarget interface {
	Target
	// Share starts a file that later snapshots may refer to. Its name is the
	// target's and ends with a dot and suffix. Of the reference that is returned Name
	// and Shared are set; a target that cannot share just now says so by the latter.
	Share(ctx context.Context, suffix string) (File, FileRef, error)
	// Confirmed finds the file with an identity among those of the snapshot on
	// which this one may build. It stays until this one has ended.
	Confirmed(Identity) (FileRef, bool)
}

// Source gives the files of a snapshot back.
//
// Thread safety: safe for concurrent use.
type Source interface {
	// Open opens a file for reading; a missing one is fs.ErrNotExist.
	Open(ctx context.Context, name string) (Object, error)
}

// LinkingSource is a Source with files on this machine.
type LinkingSource interface {
	Source
	// Link gives a file a second name, a path that does not exist. It fails where
	// that is not possible, and the file can be read all the same. Neither name may
	// be written to; the file is there until both are removed.
	Link(ctx context.Context, name, path string) error
}

// Object is an open file of a Source.
type Object interface {
	io.ReaderAt
	io.Closer
	// Size is in bytes.
	Size() (int64, error)
}

// maxNameSize leaves a directory room for a temporary name within the 255 bytes
// that common file systems take.
const maxNameSize = 200

// CheckName returns ErrName for a file name that no Target accepts: names come
// back from metadata that somebody else may have written.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > maxNameSize:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrName, len(name), maxNameSize)
	case name[0] == '.':
		return fmt.Errorf("%w: it begins with a dot", ErrName)
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return fmt.Errorf("%w: byte %#02x; letters and digits of ASCII, dots, dashes and underscores are allowed", ErrName, c)
		}
	}
	return nil
}
