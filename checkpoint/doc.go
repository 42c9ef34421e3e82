// Package checkpoint takes consistent checkpoints of a whole job from the snapshots of its
// subtasks.
//
// A Coordinator triggers checkpoints, collects the acknowledgements of all subtasks, writes the
// metadata object, commits the checkpoint to the completed store, notifies the job, and removes
// checkpoints that need not be retained. A Storage holds the objects: in memory (NewMemory), in
// a directory (NewFiles), or in any other store that implements Objects.
//
// The package sees handles, files and bytes. It does not know which backends exist, nor how a
// job runs.
package checkpoint
