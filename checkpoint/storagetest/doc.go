// Package storagetest is the conformance kit of checkpoint storages. It tests that a store of
// objects behaves as checkpoint.Objects documents, and a completed store as
// checkpoint.Completed does. Stores of other modules can run it too:
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, func(t testing.TB, root string) checkpoint.Objects {
//			objects, err := checkpoint.OpenObjects(t.Context(), "mine://server/test/"+root)
//			require.NoError(t, err)
//			return objects
//		})
//	}
//
// Each subtest is named after the promise that it checks. An optional interface, such as
// checkpoint.Locker, is tested if the store implements it. The last subtest runs random
// programs and compares the store with a map; a failure prints the few remaining calls and how
// to repeat them.
//
// RunURL tests that an opener of URLs refuses those with credentials and repeats no secret.
//
// The kit uses a store as one process does, and without faults. Power cuts, failed requests,
// servers that stop and locks that are lost are tested beside each store.
//
// This package knows package checkpoint and no store, no backend and no job.
package storagetest
