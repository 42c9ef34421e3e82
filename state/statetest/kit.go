package statetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirstate/weir/internal/density"
)

// check is a subtest of Run.
type check struct {
	name string
	do   func(*testing.T, harness)
}

// properties is a list of checks, each a subtest under its name.
type properties []check

// run runs each check as a subtest.
func (p properties) run(t *testing.T, h harness) {
	for _, c := range p {
		t.Run(c.name, func(t *testing.T) { c.do(t, h) })
	}
}

// rows are those rows of the table of operations that a backend can answer, by
// the table's names and in its order.
var rows = properties{
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

// promises are no rows of the table: the contract makes them in other places.
var promises = properties{
	{"Keys and namespaces are apart", placesApart},
	{"A value without an encoding is refused", unencodableValues},
	{"What was returned stays as it was", returnedValues},
	{"Restore at another parallelism", restoreRescaled.run},
	{"Snapshots are in the codecs that their states have", codecsOfSnapshots},
	{"Errors name the state, never the data", errorTexts.run},
	{"A view costs the same for any number of states", viewCosts},
	{"Queries of a view from other goroutines", viewQueries},
}

// runOperations is the length of a program of the random part of Run: it begins some 50
// snapshots, compares 30 of them after a restore and takes about a second.
const runOperations = 3000

// Run proves that a backend conforms. Each row of the table of operations is a
// subtest; see the package comment. WEIR_TESTS chooses the number of random programs:
// 1, 3 in campaigns, 500 in dense tests.
func Run(t *testing.T, open Opener) {
	slices.Concat(rows, promises).run(t, harness{open})
	for n := range density.Of(t, 1, 3, 500) {
		t.Run(fmt.Sprintf("random program %d", n), func(t *testing.T) { Random(t, open, runOperations) })
	}
}
