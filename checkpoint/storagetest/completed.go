package storagetest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
)

// CompletedOpener opens (again) the completed store of a job. It may return
// checkpoint.ErrLocked while the store of the job is open already. RunCompleted chooses names
// of jobs that it has not used before, and closes every store that it opens.
type CompletedOpener func(t testing.TB, job string) (checkpoint.Completed, error)

var completedChecks = []check[*completedHarness]{
	{"Begin returns ascending attempts, also after the store is opened again", beginAscends},
	{"Begin fences the commits of earlier attempts", beginFences},
	{"Begin fences the store that is still open elsewhere, or a lock keeps the second out", secondOwner},
	{"a committed entry is listed with all its fields, also after the store is opened again", entriesComeBack},
	{"List is ordered by ID", entriesOrdered},
	{"Commit of a taken ID is fs.ErrExist and keeps the first entry", commitOnce},
	{"of concurrent commits of an ID exactly one succeeds", oneCommitWins},
	{"concurrent Begins return different attempts", beginsDiffer},
	{"Remove removes one entry and accepts a missing one", removeEntry},
	{"Commit of an invalid entry is ErrInvalid", invalidEntries},
	{"Close removes nothing, and a closed store returns ErrClosed", closedStore},
	{"a canceled context ends an operation with its cause and no effect", canceledStore},
	{"jobs share nothing", jobsApart},
	{"a store holds many entries", manyEntries},
	{"a job completes and restores checkpoints", jobOnCompleted},
	{"random programs have the same results as with a map", randomCommits},
}

// RunCompleted tests that a completed store keeps each promise of checkpoint.Completed. The
// environment variable WEIR_TESTS selects the number of random programs, as for Run.
func RunCompleted(t *testing.T, open CompletedOpener) {
	runAll(t, &completedHarness{open: open, unique: rand.Uint64()}, completedChecks)
}

// completedHarness opens completed stores of unused jobs.
type completedHarness struct {
	open   CompletedOpener
	unique uint64 // distinguishes the jobs of this run
	jobs   int
}

// job returns the name of a new job.
func (h *completedHarness) job() string {
	h.jobs++
	return fmt.Sprintf("kit-%016x-%d", h.unique, h.jobs)
}

// of opens the store of a job until the end of the test.
func (h *completedHarness) of(t testing.TB, job string) checkpoint.Completed {
	t.Helper()
	s, err := h.open(t, job)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// begin begins an attempt.
func begin(t testing.TB, s checkpoint.Completed) checkpoint.AttemptID {
	t.Helper()
	a, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.Positive(t, a)
	return a
}

// commit commits an entry and returns it.
func commit(t testing.TB, s checkpoint.Completed, id checkpoint.ID, a checkpoint.AttemptID) checkpoint.Entry {
	t.Helper()
	e := checkpoint.Entry{ID: id, Attempt: a, Size: int64(id) * 3, Checksum: uint64(id) << 40}
	require.NoError(t, s.Commit(t.Context(), e))
	return e
}

// requireEntries fails the test unless the store lists exactly the entries.
func requireEntries(t testing.TB, s checkpoint.Completed, want ...checkpoint.Entry) {
	t.Helper()
	got, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, append([]checkpoint.Entry{}, want...), append([]checkpoint.Entry{}, got...))
}

func beginAscends(t *testing.T, h *completedHarness) {
	job, last := h.job(), checkpoint.AttemptID(0)
	for range 3 {
		s := h.of(t, job)
		for range 4 {
			next := begin(t, s)
			require.Greater(t, next, last)
			last = next
		}
		require.NoError(t, s.Close())
	}
}

func beginFences(t *testing.T, h *completedHarness) {
	job := h.job()
	s := h.of(t, job)
	first := begin(t, s)
	kept := commit(t, s, 1, first)
	second := begin(t, s)
	requireFenced(t, s.Commit(t.Context(), checkpoint.Entry{ID: 2, Attempt: first}))
	requireEntries(t, s, kept)
	later := commit(t, s, 2, second)
	require.NoError(t, s.Close())

	s = h.of(t, job)
	third := begin(t, s)
	requireFenced(t, s.Commit(t.Context(), checkpoint.Entry{ID: 3, Attempt: second}))
	requireEntries(t, s, kept, later, commit(t, s, 3, third))
}

// requireFenced fails the test unless err says that a later attempt has begun, and nothing else.
func requireFenced(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, checkpoint.ErrFenced)
	require.NotErrorIs(t, err, fs.ErrExist)
}

func secondOwner(t *testing.T, h *completedHarness) {
	job := h.job()
	first := h.of(t, job)
	old := begin(t, first)
	kept := commit(t, first, 1, old)
	second, err := h.open(t, job)
	if err != nil {
		require.ErrorIs(t, err, checkpoint.ErrLocked)
		more := commit(t, first, 2, old)
		require.NoError(t, first.Close())
		requireEntries(t, h.of(t, job), kept, more)
		return
	}
	defer second.Close()
	next := begin(t, second)
	require.Greater(t, next, old)
	requireFenced(t, first.Commit(t.Context(), checkpoint.Entry{ID: 2, Attempt: old}))
	more := commit(t, second, 2, next)
	requireEntries(t, second, kept, more)
	requireEntries(t, first, kept, more)
	require.Greater(t, begin(t, first), next, "the first store can begin again")
	requireFenced(t, second.Commit(t.Context(), checkpoint.Entry{ID: 3, Attempt: next}))
	require.NoError(t, first.Close())
	requireEntries(t, second, kept, more)
}

func entriesComeBack(t *testing.T, h *completedHarness) {
	job := h.job()
	s := h.of(t, job)
	requireEntries(t, s)
	a := begin(t, s)
	want := []checkpoint.Entry{
		{ID: 1, Attempt: a},
		{ID: 2, Attempt: a, Size: 1, Checksum: math.MaxUint64},
		{ID: math.MaxInt64, Attempt: a, Size: 1 << 30, Checksum: 1},
	}
	for _, e := range want {
		require.NoError(t, s.Commit(t.Context(), e))
	}
	requireEntries(t, s, want...)
	require.NoError(t, s.Close())
	requireEntries(t, h.of(t, job), want...)
}

func entriesOrdered(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	a := begin(t, s)
	byID := make(map[checkpoint.ID]checkpoint.Entry)
	for _, id := range []checkpoint.ID{9, 10, 1, 200, 99, 100, 1000} {
		byID[id] = commit(t, s, id, a)
	}
	requireEntries(t, s, byID[1], byID[9], byID[10], byID[99], byID[100], byID[200], byID[1000])
}

func commitOnce(t *testing.T, h *completedHarness) {
	job := h.job()
	s := h.of(t, job)
	a := begin(t, s)
	first := commit(t, s, 5, a)
	require.ErrorIs(t, s.Commit(t.Context(), first), fs.ErrExist, "the same entry")
	require.ErrorIs(t, s.Commit(t.Context(), checkpoint.Entry{ID: 5, Attempt: a, Size: 99}), fs.ErrExist)
	err := s.Commit(t.Context(), checkpoint.Entry{ID: 5, Attempt: begin(t, s)})
	require.ErrorIs(t, err, fs.ErrExist, "a later attempt")
	require.NotErrorIs(t, err, checkpoint.ErrFenced)
	requireEntries(t, s, first)
	require.NoError(t, s.Close())
	requireEntries(t, h.of(t, job), first)
}

func oneCommitWins(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	a := begin(t, s)
	var want []checkpoint.Entry
	for id := range checkpoint.ID(5) {
		var mu sync.Mutex
		var winners []checkpoint.Entry
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				e := checkpoint.Entry{ID: id + 1, Attempt: a, Size: int64(i)}
				err := s.Commit(t.Context(), e)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, e)
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Len(t, winners, 1, "commits that succeeded")
		want = append(want, winners[0])
	}
	requireEntries(t, s, want...)
}

func beginsDiffer(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	var mu sync.Mutex
	var attempts []checkpoint.AttemptID
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			a, err := s.Begin(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, a)
		})
	}
	all.Wait()
	slices.Sort(attempts)
	require.Len(t, slices.Compact(attempts), 6)
	newest := attempts[len(attempts)-1]
	requireFenced(t, s.Commit(t.Context(), checkpoint.Entry{ID: 1, Attempt: attempts[0]}))
	requireEntries(t, s, commit(t, s, 1, newest))
}

func removeEntry(t *testing.T, h *completedHarness) {
	job := h.job()
	s := h.of(t, job)
	a := begin(t, s)
	one := commit(t, s, 1, a)
	commit(t, s, 2, a)
	three := commit(t, s, 12, a)
	for range 2 {
		require.NoError(t, s.Remove(t.Context(), 2))
	}
	require.NoError(t, s.Remove(t.Context(), 77))
	requireEntries(t, s, one, three)
	require.NoError(t, s.Close())
	s = h.of(t, job)
	requireEntries(t, s, one, three)
	require.NoError(t, s.Remove(t.Context(), 1), "an entry of an earlier owner")
	requireEntries(t, s, three)
}

func invalidEntries(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	a := begin(t, s)
	for _, e := range []checkpoint.Entry{
		{}, {ID: 1}, {Attempt: a}, {ID: 1, Attempt: a, Size: -1}, {ID: 1, Attempt: a, Size: math.MaxInt64},
		{ID: math.MaxUint64, Attempt: a}, {ID: 1, Attempt: math.MaxUint64},
	} {
		require.ErrorIs(t, s.Commit(t.Context(), e), checkpoint.ErrInvalid, "%+v", e)
	}
	requireEntries(t, s)
}

func closedStore(t *testing.T, h *completedHarness) {
	job := h.job()
	s := h.of(t, job)
	a := begin(t, s)
	kept := commit(t, s, 1, a)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close")
	_, err := s.Begin(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrClosed)
	_, err = s.List(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrClosed)
	require.ErrorIs(t, s.Commit(t.Context(), checkpoint.Entry{ID: 2, Attempt: a}), checkpoint.ErrClosed)
	require.ErrorIs(t, s.Remove(t.Context(), 1), checkpoint.ErrClosed)
	requireEntries(t, h.of(t, job), kept)
}

func canceledStore(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	a := begin(t, s)
	kept := commit(t, s, 1, a)
	ctx := canceled(t)
	_, err := s.Begin(ctx)
	require.ErrorIs(t, err, errStopped, "Begin")
	_, err = s.List(ctx)
	require.ErrorIs(t, err, errStopped, "List")
	require.ErrorIs(t, s.Commit(ctx, checkpoint.Entry{ID: 2, Attempt: a}), errStopped, "Commit")
	require.ErrorIs(t, s.Remove(ctx, 1), errStopped, "Remove")
	requireEntries(t, s, kept, commit(t, s, 2, a))
}

func jobsApart(t *testing.T, h *completedHarness) {
	job := h.job()
	one, two := h.of(t, job), h.of(t, job+"-x")
	a := begin(t, one)
	kept := commit(t, one, 1, a)
	for range 3 {
		begin(t, two)
	}
	requireEntries(t, two)
	require.NoError(t, two.Remove(t.Context(), 1))
	requireEntries(t, one, kept, commit(t, one, 2, a))
}

func manyEntries(t *testing.T, h *completedHarness) {
	s := h.of(t, h.job())
	a := begin(t, s)
	var want []checkpoint.Entry
	for id := range checkpoint.ID(60) {
		want = append(want, commit(t, s, id+1, a))
	}
	requireEntries(t, s, want...)
}

// The files are in memory, so that only the completed store can lose a checkpoint.
func jobOnCompleted(t *testing.T, h *completedHarness) {
	storage := checkpoint.NewMemory(checkpoint.MemoryOptions{})
	name := h.job()
	open := func() *job {
		t.Helper()
		s, err := h.open(t, name)
		require.NoError(t, err)
		j := newJobOn(t, storage, s) // its Close closes the store
		j.trigger = j.acknowledgeData
		j.begin()
		return j
	}
	first := open()
	require.Nil(t, first.attempt.Restored())
	for range 3 {
		first.take()
	}
	require.NoError(t, first.Close())
	store := h.of(t, name)
	entries, err := store.List(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 2, "retained checkpoints")
	require.EqualValues(t, 2, entries[0].ID)
	require.NoError(t, store.Close())

	second := open()
	require.NotNil(t, second.attempt.Restored())
	require.EqualValues(t, 3, second.attempt.Restored().ID)
	require.Greater(t, second.attempt.ID(), first.attempt.ID())
	newest := second.take() // a store that reserves IDs leaves some unused
	require.Greater(t, newest, checkpoint.ID(3))
	second.begin()
	require.Equal(t, newest, second.attempt.Restored().ID)
	require.NoError(t, second.Close())
}

// acknowledgeData lets both subtasks acknowledge a checkpoint without files.
func (j *job) acknowledgeData(t checkpoint.Trigger) {
	for i := range subtasks {
		u := j.attempt.Upload(t.ID, operatorName, i)
		if err := u.Acknowledge(nil, fmt.Appendf(nil, "offset %d of %d", t.ID, i)); err != nil {
			u.Decline(err)
		}
	}
}

func randomCommits(t *testing.T, h *completedHarness) {
	programs.Try(t, density.Of(t, 10, 100, 1000), func(r *rapid.T) {
		p := &commitProgram{
			TB: programs.Test(t, r), dice: programs.Dice{T: r}, h: h, job: h.job(),
			model: make(map[checkpoint.ID]checkpoint.Entry),
		}
		p.reopen()
		p.dice.Repeat(stepsOfProgram, p.step)
		p.compare()
		require.NoError(p, p.store.Close())
	})
}

// commitProgram is a random program on a completed store, and its model.
type commitProgram struct {
	testing.TB
	dice   programs.Dice
	h      *completedHarness
	job    string
	store  checkpoint.Completed
	model  map[checkpoint.ID]checkpoint.Entry
	newest checkpoint.AttemptID // 0 before the first Begin
}

// reopen closes the store and opens it again.
func (p *commitProgram) reopen() {
	if p.store != nil {
		require.NoError(p, p.store.Close())
	}
	var err error
	p.store, err = p.h.open(p.TB, p.job)
	require.NoError(p, err)
	p.Cleanup(func() { _ = p.store.Close() })
}

// step takes one random step.
func (p *commitProgram) step() {
	id := checkpoint.ID(1 + p.dice.IntN(12))
	switch p.dice.IntN(6) {
	case 0, 1:
		p.commit(id)
	case 2:
		p.Logf("Remove(%d)", id)
		require.NoError(p, p.store.Remove(p.Context(), id))
		delete(p.model, id)
	case 3:
		p.Logf("Begin")
		next := begin(p, p.store)
		require.Greater(p, next, p.newest)
		p.newest = next
	case 4:
		p.compare()
	case 5:
		p.Logf("open the store again")
		p.reopen()
	}
}

// commit commits an entry of the newest attempt or of an earlier one.
func (p *commitProgram) commit(id checkpoint.ID) {
	if p.newest == 0 {
		return
	}
	e := checkpoint.Entry{ID: id, Attempt: p.newest, Size: int64(p.dice.IntN(1000)), Checksum: p.dice.Uint64()}
	if p.newest > 1 && p.dice.Halved(2) {
		e.Attempt--
	}
	p.Logf("Commit(%d) by attempt %d of %d", e.ID, e.Attempt, p.newest)
	err := p.store.Commit(p.Context(), e)
	_, taken := p.model[id]
	switch {
	case taken && e.Attempt < p.newest:
		require.True(p, errors.Is(err, fs.ErrExist) || errors.Is(err, checkpoint.ErrFenced), "%v", err)
	case taken:
		require.ErrorIs(p, err, fs.ErrExist)
	case e.Attempt < p.newest:
		requireFenced(p, err)
	default:
		require.NoError(p, err)
		p.model[id] = e
	}
}

// compare compares the entries with the model.
func (p *commitProgram) compare() {
	var want []checkpoint.Entry
	for _, e := range p.model {
		want = append(want, e)
	}
	slices.SortFunc(want, func(a, b checkpoint.Entry) int { return int(a.ID) - int(b.ID) })
	requireEntries(p, p.store, want...)
}
