package backend

import (
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/codec"
)

// colliding returns two names with the same ID. With 2^32 IDs, 2^18 names have approx. eight such
// pairs.
func colliding(t *testing.T) (a, b string) {
	seen := map[ID]string{}
	for i := range 1 << 18 {
		name := "state-" + strconv.Itoa(i)
		if other, ok := seen[IDOf(name)]; ok {
			return other, name
		}
		seen[IDOf(name)] = name
	}
	t.Fatal("no collision found")
	return "", ""
}

func newRegistry(t *testing.T) *Registry {
	r, err := NewRegistry(Options{})
	require.NoError(t, err)
	return r
}

func valueInfo(name string) Info {
	return Info{Name: name, Kind: KindValue, Key: codec.Int[int64]().ID(), Codecs: []codec.ID{codec.Int[int64]().ID()}}
}

func nothing(*Info) (any, error) { return new(int), nil }

func TestTwoNamesWithOneIDAreRefusedAtDeclarationAndAtRestore(t *testing.T) {
	a, b := colliding(t)
	require.NotEqual(t, a, b)
	r := newRegistry(t)
	_, err := binding{r}.Declare(valueInfo(a), nothing)
	require.NoError(t, err)
	_, err = binding{r}.Declare(valueInfo(b), nothing)
	require.ErrorIs(t, err, ErrStateCollision)
	_, err = r.Check([]Info{valueInfo(b)}, 128, false)
	require.ErrorIs(t, err, ErrStateCollision)
}

func TestDeclarationsAreValidated(t *testing.T) {
	r := newRegistry(t)
	long := string(make([]byte, MaxNameSize+1))
	for _, info := range []Info{
		{}, {Name: "x"}, valueInfo(""), valueInfo(long),
		{Name: "x", Kind: KindMap, Codecs: valueInfo("x").Codecs}, {Name: "x", Kind: 77},
	} {
		_, err := binding{r}.Declare(info, nothing)
		require.ErrorIs(t, err, ErrInvalid, "%+v", info)
	}
	require.Empty(t, r.States())
}

func TestSecondDeclarationSharesTheStorageOrIsAMismatch(t *testing.T) {
	r := newRegistry(t)
	first, err := binding{r}.Declare(valueInfo("x"), nothing)
	require.NoError(t, err)
	again, err := binding{r}.Declare(valueInfo("x"), nothing)
	require.NoError(t, err)
	require.Same(t, first, again)
	other := valueInfo("x")
	other.Kind = KindList
	_, err = binding{r}.Declare(other, nothing)
	require.ErrorIs(t, err, ErrStateMismatch)
	require.ErrorContains(t, err, "list")
	require.ErrorContains(t, err, "value")
}

func TestBackendHasOneKeyCodec(t *testing.T) {
	r := newRegistry(t)
	_, ok := r.KeySize()
	require.False(t, ok, "no Keyed yet")
	require.NoError(t, binding{r}.Bind(codec.Int[int64]().ID(), 8))
	require.NoError(t, binding{r}.Bind(codec.Int[int64]().ID(), 8))
	require.ErrorIs(t, binding{r}.Bind(codec.String[string]().ID(), -1), ErrStateMismatch)
	size, ok := r.KeySize()
	require.True(t, ok)
	require.Equal(t, 8, size)
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{
		{Keyspace: Keyspace{MaxParallelism: -1}},
		{Limits: Limits{MaxKeySize: -1}},
		{Limits: Limits{MaxKeySize: MaxKeySize + 1}},
		{Limits: Limits{MaxValueSize: -1}},
		{Limits: Limits{MaxValueSize: MaxValueSize + 1}},
	} {
		_, err := NewRegistry(o)
		require.ErrorIs(t, err, ErrInvalid, "%+v", o)
	}
}

// The cost of a declaration, followed by StateList, does not depend on the number of states.
func TestCostOfADeclarationDoesNotDependOnTheNumberOfStates(t *testing.T) {
	cost := func(states int) uint64 {
		infos := make([]Info, states)
		for i := range infos {
			infos[i] = valueInfo("state " + strconv.Itoa(i))
		}
		r := newRegistry(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, info := range infos {
			if _, err := (binding{r}).Declare(info, nothing); err != nil {
				require.NoError(t, err)
			}
			r.StateList()
		}
		runtime.ReadMemStats(&after)
		require.Len(t, r.States(), states)
		return (after.TotalAlloc - before.TotalAlloc) / uint64(states)
	}
	require.LessOrEqual(t, cost(10_000), 2*cost(100)+200)
}

func TestStateListIsSortedAndNeverChanges(t *testing.T) {
	r := newRegistry(t)
	var lists []*StateList
	for i := range 50 {
		lists = append(lists, r.StateList())
		_, err := binding{r}.Declare(valueInfo("state "+strconv.Itoa(i)), nothing)
		require.NoError(t, err)
		require.NotSame(t, lists[i], r.StateList())
		require.Same(t, r.StateList(), r.StateList())
	}
	for i, l := range lists {
		states := l.States()
		require.Len(t, states, i)
		require.True(t, slices.IsSortedFunc(states, func(a, b Info) int { return cmp.Compare(a.ID(), b.ID()) }))
	}
	info, ok := r.Info(IDOf("state 7"))
	require.True(t, ok)
	require.Equal(t, "state 7", info.Name)
	_, ok = r.Info(IDOf("another"))
	require.False(t, ok)
	r.Close()
	require.Empty(t, r.States())
	require.Len(t, lists[49].States(), 49)
}
