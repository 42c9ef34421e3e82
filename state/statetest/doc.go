// Package statetest is the conformance kit of keyed state. It tests that a backend behaves as
// package state documents. Backends of other modules can run it too:
//
//	func TestConformance(t *testing.T) {
//		statetest.Run(t, func(t testing.TB, o state.Options) (snapshot.Backend, error) {
//			return mine.Open(t.TempDir(), o)
//		})
//	}
//
// Run has a subtest for each group of operations that belong together, named after them, and one
// for each further promise of the documentation. Then it runs random programs.
//
// Random compares a backend, its snapshots and its restores with a simple model. Package rapid
// draws the programs and shrinks a failing one. The failure prints the few remaining calls and how
// to repeat them.
//
// Exchange restores snapshots of one backend into another. Fill gives several backends the same
// content. NewBytes returns a small ByteBackend: an example, and a check that package state does
// not use memory of a backend longer than it may.
//
// Tests reach the limit of 2^31 bytes with lower state.Limits, after a check that the default
// limits are 2^31.
//
// Properties that one backend alone cannot show are tested elsewhere:
//
//   - appended values above 2^31 bytes: in package lsm;
//   - restores without an operator, retention and failed checkpoints: in packages checkpoint and
//     job.
//
// This package must not import a backend.
package statetest
