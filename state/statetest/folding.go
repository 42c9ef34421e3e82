package statetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// foldingOperations lists the properties of reducing and aggregating states.
var foldingOperations = properties{
	{"the functions are applied in the order of arrival", foldsInOrder},
	{"the first value is stored unchanged", firstFoldedUnchanged},
	{"an error of a function leaves the old value", foldErrorKeepsOld},
	{"a result above the limit leaves the old value", foldLimitKeepsOld},
	{"an error of Result is returned and changes nothing", resultErrorChangesNothing},
}

func foldsInOrder(t *testing.T, h harness) {
	p := h.at(t, "k")
	requireNothing(t, p.reduced)
	requireNothing(t, p.aggregated)
	for i, s := range []string{"c", "a", "b"} {
		require.NoError(t, p.reduced.Add(s))
		require.NoError(t, p.aggregated.Add(int64(3-i)))
	}
	requireValue(t, "cab", p.reduced)
	requireValue(t, "<,3,2,1>", p.aggregated)
	require.NoError(t, p.reduced.Clear())
	require.NoError(t, p.aggregated.Clear())
	requireNothing(t, p.reduced)
	requireNothing(t, p.aggregated)
	require.True(t, p.backend.Empty())
}

func firstFoldedUnchanged(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.NoError(t, p.reduced.Add(refusedText))
	requireValue(t, refusedText, p.reduced)
}

func foldErrorKeepsOld(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.ErrorIs(t, p.aggregated.Add(refusedNumber), errRefused)
	requireNothing(t, p.aggregated)
	require.True(t, p.backend.Empty())
	require.NoError(t, p.reduced.Add("old"))
	require.NoError(t, p.aggregated.Add(7))
	require.ErrorIs(t, p.reduced.Add(refusedText), errRefused)
	require.ErrorIs(t, p.aggregated.Add(refusedNumber), errRefused)
	requireValue(t, "old", p.reduced)
	requireValue(t, "<,7>", p.aggregated)
}

func foldLimitKeepsOld(t *testing.T, h harness) {
	p := h.program(t, state.Options{Limits: state.Limits{MaxValueSize: 8}})
	p.at("k")
	require.NoError(t, p.reduced.Add("12345678"))
	require.NoError(t, p.aggregated.Add(1234567))
	requireSizeError(t, p.reduced.Add("9"), state.ErrValueTooLarge, 9, 8)
	requireSizeError(t, p.aggregated.Add(8), state.ErrValueTooLarge, 10, 8)
	requireValue(t, "12345678", p.reduced)
	requireValue(t, "<,1234567>", p.aggregated)
}

func resultErrorChangesNothing(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	d := aggregating
	d.Result = func(string) (string, error) { return "half", errRefused }
	failing, err := state.AggregatingOf(p.keyed, d)
	require.NoError(t, err)
	p.at("k")
	_, ok, err := failing.Get()
	require.NoError(t, err, "there is no accumulator")
	require.False(t, ok)
	require.NoError(t, failing.Add(1))
	_, ok, err = failing.Get()
	require.ErrorIs(t, err, errRefused)
	require.False(t, ok)
	requireValue(t, "<,1>", p.aggregated)
}

// mergeNamespaces lists the properties of MergeNamespaces.
var mergeNamespaces = properties{
	{"target first, then the sources in the order given", mergesInOrder},
	{"repetitions and the target among the sources are skipped", mergeIgnoresRepetitions},
	{"sources and target may be empty", mergesEmptyNamespaces},
	{"nothing to merge is no error", mergesNothing},
	{"nothing to merge is no error, even if the target is too large", mergesNothingIntoLarge},
	{"the void namespace can be source and target", mergesVoidNamespace},
	{"the handle keeps its namespace, which has no influence", mergeKeepsNamespace},
	{"other keys and other states do not change", mergeLeavesOthers},
	{"a merge that fails changes nothing", failedMergeChangesNothing},
	{"a target that is too large changes nothing", largeMergeTargetRefused},
	{"a snapshot has merged lists", mergedListInSnapshot},
}

func mergesInOrder(t *testing.T, h harness) {
	p := h.withNamespaces(t, "t", "a", "b", "c")
	p.merge("t", "c", "a")
	p.requireNamespace("t", "t", "c", "a")
	p.requireNamespace("a")
	p.requireNamespace("b", "b")
	p.requireNamespace("c")
}

func mergeIgnoresRepetitions(t *testing.T, h harness) {
	p := h.withNamespaces(t, "t", "a", "b")
	p.merge("t", "b", "t", "b", "a", "b", "t")
	p.requireNamespace("t", "t", "b", "a")
	p.requireNamespace("a")
	p.requireNamespace("b")
}

func mergesEmptyNamespaces(t *testing.T, h harness) {
	p := h.withNamespaces(t, "a", "b")
	p.merge("t", "none", "b", "nothing", "a")
	p.requireNamespace("t", "b", "a")
	p.requireNamespace("a")
	p.requireNamespace("b")
}

func mergesNothing(t *testing.T, h harness) {
	p := h.withNamespaces(t, "t")
	p.merge("t")
	p.merge("t", "t")
	p.merge("t", "none", "nothing")
	p.requireNamespace("t", "t")
	p.merge("new", "none")
	p.requireNamespace("new")
}

func mergesNothingIntoLarge(t *testing.T, h harness) {
	p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: 64}})
	p.at("k")
	p.merge(strings.Repeat("n", 64), "none")
}

func mergesVoidNamespace(t *testing.T, h harness) {
	p := h.withNamespaces(t, "", "a")
	p.merge("", "a", "")
	p.requireNamespace("", "", "a")
	p.merge("t", "")
	p.requireNamespace("t", "", "a")
	p.requireNamespace("")
}

func mergeKeepsNamespace(t *testing.T, h harness) {
	p := h.withNamespaces(t, "a", "b", "mine")
	p.in("mine")
	p.merge("a", "b")
	p.requireHere("mine")
	p.merge("mine", "a")
	p.requireHere("mine", "a", "b")
}

func mergeLeavesOthers(t *testing.T, h harness) {
	p := h.at(t, "other")
	p.in("a")
	p.fill("x")
	p.fillNamespaces("t", "a")
	require.NoError(t, p.value.Set("v"))
	require.NoError(t, p.entries.Put("k", "v"))
	p.merge("t", "a")
	requireValue(t, "v", p.value)
	requireMap(t, []entry{{Key: "k", Value: "v"}}, p.entries)
	p.at("other")
	p.in("a")
	p.requireFilled("x")
}

func failedMergeChangesNothing(t *testing.T, h harness) {
	p := h.withNamespaces(t, "t", "a", "b")
	p.in("b")
	require.NoError(t, p.reduced.Clear())
	require.NoError(t, p.reduced.Add(refusedText))
	require.NoError(t, p.aggregated.Add(-2))
	require.ErrorIs(t, p.reduced.MergeNamespaces([]byte("t"), sources("a", "b")), errRefused)
	require.ErrorIs(t, p.aggregated.MergeNamespaces([]byte("t"), sources("a", "b")), errRefused)
	requireValue(t, refusedText, p.reduced)
	p.requireNamespace("t", "t")
	p.requireNamespace("a", "a")
}

func largeMergeTargetRefused(t *testing.T, h harness) {
	const limit = 64
	p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: limit}})
	p.fillNamespaces("a", "b")
	large := strings.Repeat("n", limit)
	size := keySize("k", large)
	requireSizeError(t, p.list.MergeNamespaces([]byte(large), sources("a", "b")), state.ErrKeyTooLarge, size, limit)
	requireSizeError(t, p.reduced.MergeNamespaces([]byte(large), sources("a", "b")), state.ErrKeyTooLarge, size, limit)
	requireSizeError(t, p.aggregated.MergeNamespaces([]byte(large), sources("a", "b")), state.ErrKeyTooLarge, size, limit)
	p.requireNamespace("a", "a")
	p.requireNamespace("b", "b")
}

func mergedListInSnapshot(t *testing.T, h harness) {
	p := h.withNamespaces(t, "t", "a", "b")
	p.merge("t", "b", "a")
	q := h.restoredFrom(t, p)
	q.at("k")
	q.requireNamespace("t", "t", "b", "a")
	q.requireNamespace("a")
}

// withNamespaces opens a program and calls fillNamespaces.
func (h harness) withNamespaces(t *testing.T, names ...string) *program {
	t.Helper()
	p := h.program(t, state.Options{})
	p.fillNamespaces(names...)
	return p
}

// fillNamespaces writes the name of each namespace to its list, reducing and aggregating state,
// under key "k".
func (p *program) fillNamespaces(names ...string) {
	p.at("k")
	for _, name := range names {
		p.in(name)
		require.NoError(p.t, p.list.AddAll([]string{name, name + "'"}))
		require.NoError(p.t, p.reduced.Add("["+name+"]"))
		require.NoError(p.t, p.aggregated.Add(numberOf(name)))
	}
	p.in("")
}

// numberOf encodes a short name as a number.
func numberOf(name string) int64 {
	n := int64(0)
	for _, c := range name {
		n = n*256 + int64(c)
	}
	return n
}

// merge calls MergeNamespaces of all states that have it.
func (p *program) merge(target string, names ...string) {
	p.t.Helper()
	for _, s := range []interface {
		MergeNamespaces([]byte, [][]byte) error
	}{p.list, p.reduced, p.aggregated} {
		require.NoError(p.t, s.MergeNamespaces([]byte(target), sources(names...)))
	}
}

// requireNamespace checks that a namespace of key "k" has the contents of merged namespaces, in this
// order.
func (p *program) requireNamespace(namespace string, merged ...string) {
	p.t.Helper()
	p.in(namespace)
	p.requireHere(merged...)
}

// requireHere is requireNamespace for the current key and namespace.
func (p *program) requireHere(merged ...string) {
	p.t.Helper()
	if len(merged) == 0 {
		p.requireBare()
		return
	}
	var list []string
	var reduced string
	var joined []string
	for _, name := range merged {
		list = append(list, name, name+"'")
		reduced += "[" + name + "]"
		acc, err := aggregate("", numberOf(name))
		require.NoError(p.t, err)
		joined = append(joined, acc)
	}
	requireList(p.t, list, p.list)
	requireValue(p.t, reduced, p.reduced)
	requireValue(p.t, "<"+strings.Join(joined, ";")+">", p.aggregated)
}
