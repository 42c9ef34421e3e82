// Package vfstest tests programs that write files through package vfs, and file
// systems themselves. Mem is a file system in memory that can be cloned as a power cut
// would leave it. Faulty makes chosen operations of another file system fail. Run tests
// that a file system does as the comments of vfs say. The package may not know any file
// format.
//
// # What Mem models
//
// Mem loses in a crash whatever vfs does not promise, one by one as CrashOptions
// choose:
//
//   - Unsynced data, in blocks. Any subset survives; a lost block inside a
//     longer file reads as zeros; the last block that survives may be cut at
//     any byte (a torn write); the new length may survive without the data.
//   - Unsynced entry changes, each alone and in any order between names, so
//     that a rename may survive the loss of an earlier create or remove. A name
//     always holds one of the values that it had since the last SyncDir;
//     renaming over a name yields the old file or the new one.
//   - A rename is two changes. The old name goes only if the new one came, as
//     in every journaling file system; both names may be found. A SyncDir
//     settles its own directory only: after a rename between directories, sync
//     the destination first.
//   - A directory whose own entry is lost takes its content with it.
//   - Data and entries that a failed Sync or SyncDir (see Faulty) should have made
//     durable never are.
//
// Not modelled: damage to synced data, stale or random bytes in place of lost
// blocks, torn directory entries, symbolic links, permissions, modification
// times.
//
// The idea of a memory file system that is cloned at a crash is Pebble's.
package vfstest
