// Package snapshot takes and restores snapshots of one backend. Backends and checkpoints
// share it. It has
//
//   - View, a backend as it was at one moment;
//   - the portable format, which any backend writes and any other loads;
//   - Handle, which describes the files of a snapshot;
//   - Target, the storage to write files to, and Source, the storage to read them from;
//   - Start, which takes the view and writes it in another goroutine, and Restore.
//
// The package knows the contract of package state. It does not know which backends exist, nor
// what a checkpoint is or when one is complete.
package snapshot
