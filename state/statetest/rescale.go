package statetest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// jobGroups is the number of key groups of a job.
const jobGroups = 10

// job is a program at some parallelism. Element i is subtask i.
type job []*program

func (h harness) job(t *testing.T, parallelism int) (j job) {
	for i := range parallelism {
		j = append(j, h.program(t, state.Options{Keyspace: state.SubtaskKeyspace(i, parallelism, jobGroups)}))
	}
	return j
}

// of returns the subtask that owns a key.
func (j job) of(key string) *program {
	for _, p := range j {
		if keyspace := p.backend.Registry().Keyspace(); keyspace.Groups.Contains(groupOf(key, keyspace.MaxParallelism)) {
			return p
		}
	}
	return nil
}

// save takes a snapshot of each subtask.
func (j job) save(t *testing.T, s *store, name string) (handles []snapshot.Handle) {
	for i, p := range j {
		handles = append(handles, save(t, p.backend, s, fmt.Sprintf("%s-%d", name, i)))
	}
	return handles
}

// dump returns the contents of all subtasks.
func (j job) dump() map[string]string {
	all := make(map[string]string)
	for _, p := range j {
		maps.Copy(all, p.dump())
	}
	return all
}

// restoreRescaled lists the properties of a restore at another parallelism.
var restoreRescaled = properties{
	{"the same range", restoreSameRange},
	{"1 to 2 to 3 to 1 subtasks", restoreSplitAndMerged},
	{"a subtask of one key group each", restoreOneGroupEach},
	{"timers move with their keys", restoreTimersWithKeys},
	{"key groups of SetKeyAndGroup are kept", restoreGivenGroups},
}

func restoreSameRange(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.work(1)
	p.work(2)
	q := h.restoredFrom(t, p)
	require.Equal(t, p.dump(), q.dump())
	p.work(3)
	q.work(3)
	require.Equal(t, p.dump(), q.dump(), "restored state works on")
}

func restoreSplitAndMerged(t *testing.T, h harness) {
	s := newStore()
	old := h.job(t, 1)
	for round, parallelism := range []int{2, 3, 1} {
		for i := range 60 {
			key := fmt.Sprint((i + 7*round) % 50)
			p := old.of(key)
			p.at(key)
			p.in(fmt.Sprint(i % 2))
			p.fill(fmt.Sprint(round))
			if i%5 == round {
				p.clear()
			}
		}
		handles := old.save(t, s, fmt.Sprint(round))
		fresh := h.job(t, parallelism)
		for _, p := range fresh {
			restore(t, p.backend, s, handles...)
			requireOwnGroups(t, p)
		}
		require.Equal(t, old.dump(), fresh.dump())
		old = fresh
	}
}

func restoreOneGroupEach(t *testing.T, h harness) {
	s := newStore()
	one := h.job(t, 1)
	one[0].work(1)
	many := h.job(t, jobGroups)
	for _, p := range many {
		restore(t, p.backend, s, one.save(t, s, fmt.Sprint(p.backend.Registry().Keyspace().Groups))...)
		requireOwnGroups(t, p)
	}
	require.Equal(t, one.dump(), many.dump())
}

func restoreTimersWithKeys(t *testing.T, h harness) {
	s := newStore()
	one := h.job(t, 1)
	for i := range 100 {
		one[0].register(domains[i%2], fired{int64(i % 10), fmt.Sprint(i % 17), fmt.Sprint(i % 3)})
	}
	handles := one.save(t, s, "state")
	var want, got []fired
	for _, d := range domains {
		want = append(want, one[0].advance(d, 10, nil)...)
	}
	for _, p := range h.job(t, 3) {
		restore(t, p.backend, s, handles...)
		for _, d := range domains {
			got = append(got, p.advance(d, 10, nil)...)
		}
	}
	require.ElementsMatch(t, want, got)
}

func restoreGivenGroups(t *testing.T, h harness) {
	s := newStore()
	p := h.job(t, 1)[0]
	group := uint16(jobGroups-1) - groupOf("k", jobGroups)
	require.NoError(t, p.keyed.SetKeyAndGroup("k", group))
	p.fill("x")
	handle := save(t, p.backend, s, "state")
	for _, q := range h.job(t, 2) {
		restore(t, q.backend, s, handle)
		if !q.backend.Registry().Keyspace().Groups.Contains(group) {
			require.True(t, q.backend.Empty())
			continue
		}
		require.NoError(t, q.keyed.SetKeyAndGroup("k", group))
		q.requireFilled("x")
		q.advance(state.EventTime, 5, nil)
		q.requireFilled("x")
	}
}

// requireOwnGroups checks that a backend has only rows of its own key groups.
func requireOwnGroups(t *testing.T, p *program) {
	t.Helper()
	for _, r := range viewRows(t, p.backend) {
		group, _, _, err := backend.SplitHeader(r.key)
		require.NoError(t, err)
		require.True(t, p.backend.Registry().Keyspace().Groups.Contains(group), "group %d", group)
	}
}
