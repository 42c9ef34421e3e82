package snapshot

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Handle says what one backend instance wrote for a snapshot: all that a
// restore needs besides the files.
type Handle struct {
	// Keyspace is that of the backend.
	Keyspace backend.Keyspace
	// States is the name table: every state that was declared, ordered by id.
	States []backend.Info
	// Format says how the files are read: empty for the portable format, else the
	// format of a NativeBackend.
	Format string
	// Files are in no order, and the rows of a key group are all in one file; but in
	// a native format, which has its own rules for both.
	Files []FileRef
	// Rows is the number of rows of bytes in the files, 0 in a native format.
	Rows int64
}

// Bytes is the size of all files.
func (h Handle) Bytes() (n int64) {
	for _, f := range h.Files {
		n += f.Size
	}
	return n
}

// FileRef names an immutable file and says what it must be.
type FileRef struct {
	// Name is the file's name within its Target or Source.
	Name string
	// Identity is random and stands in the file: a file of the same name from
	// another run is told apart.
	Identity Identity
	// Size is in bytes.
	Size int64
	// Checksum is xxh64 of all bytes of the file, for whoever copies it. A
	// restore does not read all bytes; it checks each block that it reads.
	Checksum uint64
	// Bounds are the key groups whose rows are to be taken from the file.
	Bounds backend.GroupRange
	// Shared says that the file may belong to several snapshots: see SharingTarget.
	Shared bool
}

// Identity tells files apart.
type Identity = vfs.Identity
