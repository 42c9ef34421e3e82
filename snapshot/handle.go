package snapshot

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Handle describes the snapshot of one backend instance. A restore needs the handle and the
// files.
type Handle struct {
	// Keyspace is the keyspace of the backend.
	Keyspace backend.Keyspace
	// States is the name table: every state that was declared, ordered by id.
	States []backend.Info
	// Format is the format of the files: empty for the portable format, otherwise the native
	// format of a NativeBackend.
	Format string
	// Files are the files of the snapshot. In the portable format their order has no
	// meaning, and all rows of a key group are in one file. A native format has its own
	// rules for both.
	Files []FileRef
	// Rows is the number of rows in the files. It is 0 in a native format.
	Rows int64
}

// Bytes returns the size of all files together.
func (h Handle) Bytes() (n int64) {
	for _, f := range h.Files {
		n += f.Size
	}
	return n
}

// FileRef refers to an immutable file and describes it, so that a restore detects a different file
// under the same name.
type FileRef struct {
	// Name is the file's name in its Target or Source.
	Name string
	// Identity is the random number that the file contains. A file that another run wrote
	// under the same name has another identity.
	Identity Identity
	// Size is the file's size in bytes.
	Size int64
	// Checksum is the xxh64 of the whole file, for programs that copy it. A restore from the
	// portable format need not read the whole file; it verifies each block that it reads.
	Checksum uint64
	// Bounds are the key groups whose rows a restore takes from the file.
	Bounds backend.GroupRange
	// Shared reports whether the file may belong to several snapshots: see SharingTarget.
	Shared bool
}

// Identity is a random number that distinguishes files.
type Identity = vfs.Identity
