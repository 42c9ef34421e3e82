package statetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirstate/weir/internal/density"
)

// check is one subtest of Run.
type check struct {
	name string
	do   func(*testing.T, harness)
}

// properties is a list of checks. The name of each states the property that it checks.
type properties []check

// run runs each check as a subtest.
func (p properties) run(t *testing.T, h harness) {
	for _, c := range p {
		t.Run(c.name, func(t *testing.T) { c.do(t, h) })
	}
}

// operationChecks test operations, one check for each group of operations that belong together.
var operationChecks = properties{
	{"access without a current key", accessWithoutKey},
	{"key outside the backend's key groups", keyOutsideGroups},
	{"register the same name twice", registerTwice.run},
	{"Value.Get of nothing", valueOfNothing},
	{"Value.Set of a nil pointer", valueOfNilPointer},
	{"List.Add, AddAll, Set, Clear, Get, All", listOperations.run},
	{"List past 2^31 bytes in total", listPastLimit},
	{"Map.Get, Put, PutAll, Remove, Contains, Len, IsEmpty, All, Keys, Values, Clear", mapOperations.run},
	{"Map.Floor", mapFloor},
	{"Map.From", mapFrom},
	{"Map iteration order", mapOrder},
	{"Reducing.Add, Aggregating.Add", foldingOperations.run},
	{"MergeNamespaces", mergeNamespaces.run},
	{"Keys, KeysAndNamespaces", listingKeys.run},
	{"Timers", timerOperations.run},
	{"Snapshot while state is being registered, or snapshots overlap", overlappingSnapshots.run},
	{"Restore with lower max parallelism than recorded, unknown state, incompatible codec", restoreErrors.run},
	{"Key equality", keyEquality.run},
	{"Exactly 2^31 bytes", exactLimits},
	{"Use after Close", useAfterClose.run},
	{"Close", closing.run},
}

// furtherChecks test promises of the documentation that concern no single operation.
var furtherChecks = properties{
	{"A value without an encoding is refused", unencodableValues},
	{"Returned values do not change later", returnedValues},
	{"Restore at another parallelism", restoreRescaled.run},
	{"Snapshots are in the codecs that their states have", codecsOfSnapshots},
	{"Errors name the state, never the data", errorTexts.run},
	{"A view costs the same for any number of states", viewCosts},
	{"Queries of a view from other goroutines", viewQueries},
}

// runOperations is the number of operations of a random program of Run. The program begins
// approx. 50 snapshots, compares 30 of them after a restore, and takes approx. one second.
const runOperations = 3000

// Run tests that a backend conforms; the package comment lists the subtests. The environment
// variable WEIR_TESTS selects the number of random programs: 1 by default, 3 for "campaign", 500
// for "dense".
func Run(t *testing.T, open Opener) {
	h := harness{open}
	if !t.Run("Keys and namespaces are apart", func(t *testing.T) { placesApart(t, h) }) {
		return // without it, merges and scans of other subtests may never end
	}
	slices.Concat(operationChecks, furtherChecks).run(t, h)
	for n := range density.Of(t, 1, 3, 500) {
		t.Run(fmt.Sprintf("random program %d", n), func(t *testing.T) { Random(t, open, runOperations) })
	}
}
