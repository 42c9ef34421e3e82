// Package snapshot is what backends and checkpoints share: the View of a
// backend at a barrier, the portable format in which any backend writes it and
// any other loads it, the Handle that says what was written, the Target it is
// written to, and the runner of the asynchronous half. The room knows the
// contract of package state; it may not know which backends exist, nor what a
// checkpoint is, who coordinates it or when it is complete.
package snapshot
