// Package job runs a stream job in one process: sources that can be replayed, operators on
// keyed state, and sinks. Each of them has parallel subtasks, one goroutine per subtask,
// and each operator subtask owns a range of key groups. The package has event-time
// watermarks, aligned checkpoint barriers, and restarts from the newest complete
// checkpoint. It has no network and no cluster: its purpose is to run backends under real
// jobs. The program passes it a function that opens backends and a storage for checkpoints;
// the package does not know which ones they are.
//
//	source ──▶ KeyBy ──▶ Process (operator, keyed state) ──▶ AddSink
//
// # Exactly once
//
// After a failure the job restores the positions of all sources, the state and the timers
// of all operators, and the positions of all sinks from one checkpoint. If sources replay
// the same elements, and sinks forget elements they wrote after that checkpoint, then each
// element affects state and sinks exactly once. When a job ends, for any reason, none of
// its goroutines is left.
//
// # Cancellation
//
// A job ends early when the context of Start ends; an attempt ends early when a subtask
// fails. Both end the context of the attempt. A source gets this context in Open and Read,
// a sink when it is opened, and an operator from Task.Context, which the functions of its
// states, timers and windows use too. The package itself checks the context between two
// elements and between two timers, and it abandons the checkpoint that is being written.
// Go cannot stop a function, so a function of the program that neither returns nor checks
// its context keeps the job from ending. The methods of a sink use the context that the sink
// received when it was opened; Close runs after that context has ended, unless the job
// has processed all input. These functions get no context and must return soon: Options.Open,
// Partitions of a source, Position and Close of a reader, codecs, the functions of KeyBy, and
// the report callbacks.
package job
