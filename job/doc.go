// Package job runs a stream job in one process: replayable sources, operators
// that work on keyed state, and sinks, each in parallel subtasks that own
// ranges of key groups, one goroutine a subtask, with watermarks, aligned
// checkpoint barriers, and restarts from the newest complete checkpoint. It is
// there so that backends are put to the test by true jobs: it knows no network
// and no cluster. It is handed a way to open backends and a place for
// checkpoints, and may not know which ones these are.
//
// After a failure the positions of all sources, the state and the timers of all
// operators and the positions of all sinks are those of one checkpoint: each
// element has its effect on state and on sinks exactly once, if sources read the
// same again and sinks forget what came later. A job that ends, in whatever way,
// leaves no goroutine behind.
//
// A job ends early when the context of Start ends, and an attempt when it fails. The
// attempt's context then ends, and with it every function of the program that looks at
// it: a source gets it in Open and Read, a sink when it is opened, an operator from
// Task.Context, which the functions of its states, timers and windows use as well. The
// job itself looks between two elements and two timers, and gives up the checkpoint
// that is being written. A function that neither returns nor looks at its context keeps
// the job from ending, since Go cannot stop it; so do functions without a context, which
// are Options.Open, Close of readers and sinks, and reports.
package job
