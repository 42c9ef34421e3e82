package storagetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstate/weir/checkpoint"
)

// Opener opens the store with the given root name; the same root opens the same store again,
// another root an empty one. root passes snapshot.CheckName. Run chooses names that it has not
// used before, in this process or another, so a store on a server may keep what a failed test
// left. If the store must be closed, Opener registers that with t.Cleanup.
type Opener func(t testing.TB, root string) checkpoint.Objects

// check is one subtest.
type check[H any] struct {
	promise string
	do      func(*testing.T, H)
}

// runAll runs each check as a subtest.
func runAll[H any](t *testing.T, h H, checks []check[H]) {
	for _, c := range checks {
		t.Run(c.promise, func(t *testing.T) { c.do(t, h) })
	}
}

var objectChecks = []check[*harness]{
	{"an object is visible only after its Commit", visibleAfterCommit},
	{"an object is there when the store is opened again", thereAfterReopening},
	{"the first object with a name stays", firstStays},
	{"of concurrent creators of a name exactly one succeeds", oneCreatorWins},
	{"objects of all sizes come back byte for byte", allSizes},
	{"ReadAt reads every range and returns io.EOF at the end", ranges},
	{"concurrent reads of one object do not disturb each other", concurrentReads},
	{"a missing object is fs.ErrNotExist", missingObject},
	{"an invalid name is snapshot.ErrName", invalidNames},
	{"every valid name can be used", validNames},
	{"stores with different roots share nothing", rootsApart},
	{"List returns the objects with a prefix in order", listByPrefix},
	{"List returns and RemoveAll removes more objects than fit on a page", manyObjects},
	{"Remove removes one object and accepts a missing one", removeOne},
	{"RemoveAll removes objects as Remove does", removeAll},
	{"Abort leaves nothing", abortLeavesNothing},
	{"Abort after Commit does nothing", abortAfterCommit},
	{"a file that has ended refuses Write and Commit", endedFile},
	{"an unfinished object is listed as unfinished or leaves nothing", unfinishedIsListed},
	{"Remove removes unfinished objects", removeUnfinished},
	{"a canceled context ends an operation with its cause and no effect", canceledOperations},
	{"a canceled upload leaves nothing", canceledUpload},
	{"an error names the object", errorsNameTheObject},
	{"a lock has one owner until it is closed", lockHasOneOwner},
	{"a lock is no object", lockIsNoObject},
	{"many goroutines can use the store", manyGoroutines},
	{"a job completes, restores and retires checkpoints", jobRuns},
	{"random programs have the same results as with a map", randomPrograms},
}

// Run tests that a store keeps each promise of checkpoint.Objects. The environment variable
// WEIR_TESTS selects the number of random programs: 10 by default, 100 for "campaign", 1,000 for
// "dense". Run writes approximately 60 MiB.
func Run(t *testing.T, open Opener) {
	runAll(t, &harness{open: open, unique: rand.Uint64()}, objectChecks)
}

// harness opens stores with unused roots.
type harness struct {
	open   Opener
	unique uint64 // distinguishes the roots of this run
	roots  int
}

// root returns a new root.
func (h *harness) root() string {
	h.roots++
	return fmt.Sprintf("kit-%016x-%d", h.unique, h.roots)
}

// fresh opens an empty store.
func (h *harness) fresh(t testing.TB) checkpoint.Objects {
	t.Helper()
	return h.open(t, h.root())
}
