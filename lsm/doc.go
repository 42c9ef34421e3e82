// Package lsm is a log-structured merge tree made for keyed state: a store of
// ordered bytes with one owner, point reads and writes, appends, scans inside a
// prefix, and snapshots at chosen moments only.
//
// What is written goes to a memtable. Seal ends it: from then on it is a run that
// never changes, in memory and within a second or so in a file, which small runs
// share. Runs are merged in the background and move down the levels. A key has one
// entry at most in a run, and the newer run wins, so nothing is numbered: a
// snapshot is a seal and a set of runs. The room knows bytes; it may not know what
// keys and values mean.
//
// # Durability
//
// With the log off, which is the default, a crash takes the store back to one of
// its seals, of which the newest flushed one is the last; Flush and Checkpoint
// make sure of a moment, and Close loses nothing; Discard is a close that writes
// nothing, for a store that is about to be removed. With a log a crash loses the last
// writes at most, in order:
//
//	mode         kill -9 loses                 a power cut loses
//	LogOff       writes after the last flush   writes after the last flush
//	LogBuffered  the last 64 KiB of the log    the log that is not synced
//	LogWritten   nothing that had returned     the log that is not synced
//	LogSynced    nothing that had returned     nothing that had returned
//
// The system brings a log to the disk when it likes, and the store syncs it when it begins
// the next one, after MemtableBytes. SyncLog syncs it at any time.
//
// # Full disks
//
// A write that finds no room, or fails otherwise, is refused with ErrStalled and its
// cause, and changes nothing. Reads go on, everything that was acknowledged is kept,
// and once there is room writes go on; the store need not be opened again. With
// a log a crash may bring a write that was refused: the log may have taken it. Merges wait for room. A table that could not be synced is written
// again. Only after a failed sync of the log, the manifest or the directory nothing is
// known about the disk, and the store is ErrFailed.
//
// # Directory
//
// A store resolves the name of its directory once, when it is opened, by the rules of
// the kernel: "current/../data" is beside the directory that current leads to. A later
// change of the working directory or of a link does not move it. One DB has the
// directory at a time; see ErrLocked and ErrLockLost.
//
// # Errors
//
// Every error is one of errors.go or of the file system, wrapped with what was
// going on. None has a key or a value in it, and nothing panics, whatever is in
// the files.
package lsm
