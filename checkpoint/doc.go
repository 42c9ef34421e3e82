// Package checkpoint makes one moment of a whole job out of the snapshots of
// its subtasks: a Coordinator triggers checkpoints, gathers what the subtasks
// acknowledge, writes the metadata, commits to the completed store, notifies,
// and drops what is no longer needed; a Storage says where all of that goes.
// The room sees handles, files and bytes; it may not know which backends exist,
// nor how a job runs.
package checkpoint
