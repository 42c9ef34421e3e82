// Package vfstest has file systems for tests of programs that write files through package vfs. Mem
// is in memory and can be cloned as after a power cut. Faulty makes chosen operations of another
// file system fail. Run tests any file system against the promises of package vfs. The package
// knows no file format.
//
// # What survives a crash of Mem
//
// Problem: a program that forgets a sync works in every test, and loses data in a power cut years
// later. A test must lose everything that the program had no right to rely on.
//
// Idea: Mem keeps two states: the state that the program sees, and the durable one. CrashClone
// returns a new Mem with the durable state and any subset of the changes that are not synced, as
// CrashOptions choose. A test takes clones at many moments and opens the program on each of them.
//
//	directory: entries   CURRENT -> file 7    what the program sees
//	           pending   [CURRENT -> file 7]  since the last SyncDir; each kept or lost
//	           durable   CURRENT -> file 4    what a crash leaves if it keeps nothing
//
//	file:      |  durable bytes  |  unsynced bytes, in blocks  |
//	                             each block kept or lost; the last one may be torn
//
// Rules:
//
//   - Unsynced data: any subset of the blocks survives. A lost block before a surviving one reads
//     as zeros. The last surviving block may be cut at any byte (a torn write). The new length may
//     survive without the data.
//   - Unsynced changes of entries: each survives or not, in any order between names, so a rename
//     may survive although an earlier create or remove is lost. A name always leads to one of the
//     files that it led to since the last SyncDir.
//   - A rename is two changes. The old name is lost only if the new name is kept, as in every
//     journaling file system; both names may survive. SyncDir makes only its own directory
//     durable: after a rename between directories, sync the destination first.
//   - If the entry of a directory is lost, so is its content.
//   - Data and entries of a Sync or SyncDir that failed (see Faulty) never survive, even if a
//     later sync succeeds.
//
// Invariant: bytes of a file never change once written, so clones share them.
// Invariant: the seen entries of a directory are the durable ones with all changes applied.
//
// Not modeled: damage of synced data, stale or random bytes in lost blocks, torn directory
// entries, symbolic links, permissions, modification times.
//
// The idea of an in-memory file system with crash clones is Pebble's.
package vfstest
