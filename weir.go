// Package weir joins a state backend and a checkpoint storage into a Preset. A program
// chooses a preset by URL with [Open], or with one of the constructors [Memory], [Fs] and
// [LSM], and then uses these packages on it:
//
//   - state declares typed state on an open backend;
//   - snapshot writes and restores a snapshot of one backend;
//   - checkpoint coordinates the snapshots of all subtasks of a job;
//   - window and job build windows and whole stream jobs on top of them.
//
// Any backend works with any storage: fill in a [Preset] directly for a combination that
// no constructor offers.
package weir
