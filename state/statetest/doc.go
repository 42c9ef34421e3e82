// Package statetest is the conformance kit of keyed state: it proves that a
// backend means what every other backend means. Any backend can run it, a
// stranger's too:
//
//	func TestConformance(t *testing.T) {
//		statetest.Run(t, func(t testing.TB, o state.Options) (snapshot.Backend, error) {
//			return mine.Open(t.TempDir(), o)
//		})
//	}
//
// Run has a subtest for each row of the table of operations in the
// documentation, under the row's name, and then runs random programs: Random
// compares a backend, its snapshots and its restores with a plain model. Package
// rapid draws the programs, shrinks one that fails, and tells how to run it again;
// the failure prints its calls, which fit on a screen.
// Exchange moves a snapshot from one backend to another; Fill gives backends
// equal content. NewBytes is the smallest backend over bytes, an example and a
// trap for misuse of the seam.
//
// The border of 2^31 bytes is reached with state.Limits lowered, after a check
// that 2^31 is what they are by default.
//
// Rows that no single backend can answer are proved elsewhere:
//
//   - raw appended values past 2^31 bytes: in package lsm;
//   - a missing operator (of the row on errors of a restore), retention and
//     failed checkpoints: in packages checkpoint and job;
//   - time to live, savepoints of another format and claim modes: with the
//     code that brings them.
//
// The room may import state and snapshot and what is below them, never a
// backend.
package statetest
