package vfstest

// Op is a kind of operation on an FS, a File or a lock.
type Op uint8

// The kinds of operation: of an FS, then of a File, then of a lock.
const (
	OpResolve Op = iota
	OpCreate
	OpOpen
	OpRemove
	OpRemoveAll
	OpRename
	OpLink
	OpMkdirAll
	OpList
	OpStat
	OpSyncDir
	OpLock

	OpRead
	OpReadAt
	OpWrite
	OpSync
	OpSize
	OpClose

	OpUnlock

	opKinds int = iota
)

var opNames = [opKinds]string{
	OpResolve:   "resolve",
	OpCreate:    "create",
	OpOpen:      "open",
	OpRemove:    "remove",
	OpRemoveAll: "removeall",
	OpRename:    "rename",
	OpLink:      "link",
	OpMkdirAll:  "mkdirall",
	OpList:      "list",
	OpStat:      "stat",
	OpSyncDir:   "syncdir",
	OpLock:      "lock",
	OpRead:      "read",
	OpReadAt:    "readat",
	OpWrite:     "write",
	OpSync:      "sync",
	OpSize:      "size",
	OpClose:     "close",
	OpUnlock:    "unlock",
}

// String returns the name of the kind, such as "syncdir".
func (op Op) String() string {
	if int(op) >= opKinds {
		return "unknown"
	}
	return opNames[op]
}

// Mutates reports whether the operation may change the files, or the state that a crash would
// leave.
func (op Op) Mutates() bool {
	switch op {
	case OpCreate, OpRemove, OpRemoveAll, OpRename, OpLink, OpMkdirAll, OpSyncDir, OpLock,
		OpWrite, OpSync:
		return true
	}
	return false
}
