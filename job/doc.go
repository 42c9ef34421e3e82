// Package job runs a stream job in one process: replayable sources, operators
// that work on keyed state, and sinks, each in parallel subtasks that own
// ranges of key groups, one goroutine a subtask, with watermarks, aligned
// checkpoint barriers, and restarts from the newest complete checkpoint. It is
// there so that backends are put to the test by true jobs: it knows no network
// and no cluster. It is handed a way to open backends and a place for
// checkpoints, and may not know which ones these are.
//
// After a failure the offsets of all sources, the state and the timers of all
// operators and the positions of all sinks are those of one checkpoint: each
// element has its effect on state and on sinks exactly once, if sources read the
// same again and sinks forget what came later. A job that ends, in whatever way,
// leaves no goroutine behind.
package job
