package statetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Random runs random programs of up to approx. the given number of operations on a job of a few
// subtasks, and compares the job with a model: each result, the contents of each snapshot after a
// restore at the same or another parallelism, and sometimes the contents of the job. Snapshots
// overlap each other and later writes; some are canceled; the job restarts from some.
//
// Package rapid draws the programs and shrinks a failing one; the failure prints the remaining calls.
// Shorter programs run first, since they are faster to shrink.
func Random(t testing.TB, open Opener, operations int) {
	t.Helper()
	for n := programs.StepsOfRepeat; n < operations; n *= 4 {
		random(t, open, n)
	}
	random(t, open, operations)
}

// random runs one random program of approx. the given number of operations.
func random(t testing.TB, open Opener, operations int) {
	t.Helper()
	tryProgram(t, open, snapshot.Portable, func(w *world) {
		w.run(operations, slices.Concat(writeSteps, snapshotSteps))
		w.compare(w.subtasks, w.model, false)
		w.abandon()
	})
}

// Sizes of a world. There are few places, so that programs return to them and maps exceed 64 entries,
// and many further keys, so that an index has several pages.
const (
	worldValueBytes = 64 // Limits.MaxValueSize
	worldKeys       = 24
	worldMany       = 1200 // further keys; one step writes many of them
	worldUserKeys   = 160
	worldTime       = 50
	worldPending    = 4
)

// world is a job, its model, and the source of random choices.
type world struct {
	t    testing.TB // of the program; see trial
	h    harness
	rng  programs.Dice
	done []string // the calls so far; explain logs them

	maxParallelism int
	ownGroups      bool // the caller computes key groups
	subtasks       []subtask
	model          *model

	store     *store
	mode      snapshot.Mode
	confirmed map[snapshot.Identity]snapshot.FileRef // files that may be shared
	taken     int                                    // number of snapshots taken
	pending   []*pending
}

// subtask is one backend with two programs on it.
type subtask [2]*program

func newWorld(t testing.TB, open Opener, rng programs.Dice) *world {
	w := &world{t: t, h: harness{open}, rng: rng, model: newModel(), store: newStore()}
	w.maxParallelism = 4 + w.rng.IntN(28)
	w.ownGroups = w.rng.IntN(2) == 0
	w.subtasks = w.open(w.h, 1+w.rng.IntN(3))
	return w
}

// step is a step of a program. The probability of a step is proportional to its weight.
type step struct {
	weight int
	do     func(*world)
}

// run takes approx. the given number of random steps.
func (w *world) run(operations int, steps []step) {
	w.t.Helper()
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	w.rng.Repeat(operations, func() {
		drawn := w.rng.IntN(total)
		for _, s := range steps {
			if drawn -= s.weight; drawn < 0 {
				s.do(w)
				break
			}
		}
	})
}

// note records the next call, for explain.
func (w *world) note(format string, args ...any) {
	w.done = append(w.done, fmt.Sprintf(format, args...))
}

// explain logs the calls of a failed program.
func (w *world) explain() {
	w.t.Logf("a program of %d calls fails at the last one, with %d subtasks and max parallelism %d:\n\t%s",
		len(w.done), len(w.subtasks), w.maxParallelism, strings.Join(w.done, "\n\t"))
}

// open opens the subtasks of a job.
func (w *world) open(h harness, parallelism int) (subtasks []subtask) {
	for i := range parallelism {
		b := h.backend(w.t, state.Options{
			Keyspace: state.SubtaskKeyspace(i, parallelism, w.maxParallelism),
			Limits:   state.Limits{MaxValueSize: worldValueBytes},
		})
		subtasks = append(subtasks, subtask{programOn(w.t, b), programOn(w.t, b)})
	}
	return subtasks
}

func (s subtask) backend() snapshot.Backend { return s[0].backend }

// owns reports whether a subtask owns a key.
func (w *world) owns(s subtask, key string) bool {
	return s.backend().Registry().Keyspace().Groups.Contains(w.group(key))
}

// group returns the key group of a key.
func (w *world) group(key string) uint16 {
	if w.ownGroups {
		return uint16(len(key)*7+strings.Count(key, "a")) % uint16(w.maxParallelism)
	}
	return state.KeyGroup(xxhash.Sum64String(key), w.maxParallelism)
}

// ownerOf returns the subtask that owns a key.
func (w *world) ownerOf(subtasks []subtask, key string) subtask {
	for _, s := range subtasks {
		if w.owns(s, key) {
			return s
		}
	}
	require.Fail(w.t, "no subtask owns a key")
	return subtask{}
}

// makeCurrent sets the current key of one of the programs of the subtask that owns the key, and returns
// the program. If the key is current already, it sets the key again only sometimes.
func (w *world) makeCurrent(key string) *program {
	p := w.ownerOf(w.subtasks, key)[w.rng.IntN(2)]
	if current, ok := p.keyed.Key(); ok && current == key && w.rng.IntN(2) == 0 {
		return p
	}
	w.setKey(p, key)
	return p
}

// setKey sets the current key of a program.
func (w *world) setKey(p *program, key string) {
	var err error
	if w.ownGroups {
		err = p.keyed.SetKeyAndGroup(key, w.group(key))
	} else {
		err = p.keyed.SetKey(key)
	}
	if err != nil { // called often: require is slow
		require.NoError(w.t, err)
	}
}

// key draws a key. Some keys are prefixes of others, some contain bytes that need an escape. Some are
// drawn more often than others.
func (w *world) key() string {
	i := min(w.rng.IntN(worldKeys), w.rng.IntN(worldKeys))
	return strings.Repeat("a", i%5) + []string{"", "\x00", "b\x00\x01", "\xff", "long key of twenty b"}[i/5]
}

// namespace draws a namespace.
func (w *world) namespace() string {
	return []string{"", "", "", "a", "\x00", "ab", "\x00\x01"}[w.rng.IntN(7)]
}

// place draws a place.
func (w *world) place() place { return place{w.key(), w.namespace()} }

// userKey draws the key of a map entry.
func (w *world) userKey() string { return fmt.Sprint(w.rng.IntN(worldUserKeys)) }

// text draws a value. A few values are too large.
func (w *world) text() string {
	size := w.rng.IntN(9)
	switch w.rng.IntN(40) {
	case 0:
		size = worldValueBytes
	case 1:
		size = worldValueBytes + 1
	case 2:
		return refusedText
	}
	b := make([]byte, size)
	first := w.rng.IntN(26)
	for i := range b {
		b[i] = byte('a' + (first+i)%26)
	}
	return string(b)
}

// texts draws a list of values.
func (w *world) texts() []string {
	list := make([]string, w.rng.IntN(6))
	for i := range list {
		list[i] = w.text()
	}
	return list
}

// requireTaken checks the error of a write of values: a size error if a value is too large, else nil.
// It reports whether the write had to succeed.
func (w *world) requireTaken(err error, values ...string) bool {
	w.t.Helper()
	for _, v := range values {
		if len(v) > worldValueBytes {
			requireSizeError(w.t, err, state.ErrValueTooLarge, int64(len(v)), worldValueBytes)
			return false
		}
	}
	require.NoError(w.t, err)
	return true
}

// pending is a running snapshot of all subtasks, and the model of its contents.
type pending struct {
	name    string
	want    *model
	running []*snapshot.Running
	gates   []*gate
}

var snapshotSteps = []step{
	{10, (*world).stepBegin},
	{6, (*world).stepEnd},
	{3, (*world).stepCancel},
	{1, (*world).stepRestart},
	{2, (*world).stepCompare},
}

// stepBegin starts a snapshot. Its files block after a few writes until the snapshot is to end, so that
// it reads most of its view late.
func (w *world) stepBegin() {
	if len(w.pending) == worldPending {
		return
	}
	p := w.begin()
	w.note("begin snapshot %s", p.name)
	w.pending = append(w.pending, p)
}

// begin starts a snapshot of all subtasks.
func (w *world) begin() *pending {
	p := &pending{name: fmt.Sprint(w.taken), want: w.model.clone()}
	w.taken++
	for i, s := range w.subtasks {
		gate := w.store.gate(w.rng.IntN(2 * w.maxParallelism))
		name := fmt.Sprintf("%s-%d", p.name, i)
		options := snapshot.Options{Name: name, Mode: w.mode, Compression: snapshot.Compression(w.rng.IntN(2))}
		if w.rng.IntN(8) == 0 {
			options.Synchronous = true
			gate.open()
		}
		target := sharingGate{gate, name, maps.Clone(w.confirmed)}
		running, err := snapshot.Start(context.Background(), s.backend(), target, options)
		require.NoError(w.t, err)
		p.running, p.gates = append(p.running, running), append(p.gates, gate)
	}
	return p
}

// stepEnd waits for a snapshot and compares a job that is restored from it with the model.
func (w *world) stepEnd() {
	p := w.draw()
	if p == nil {
		return
	}
	parallelism := 1 + w.rng.IntN(4)
	w.note("end snapshot %s, restore at parallelism %d", p.name, parallelism)
	fresh := w.restore(w.h, p, parallelism)
	w.compare(fresh, p.want, true)
	closeAll(w.t, fresh)
}

// draw removes one of the pending snapshots and returns it, or nil if
// no snapshot is pending.
func (w *world) draw() *pending {
	if len(w.pending) == 0 {
		return nil
	}
	i := w.rng.IntN(len(w.pending))
	p := w.pending[i]
	w.pending = append(w.pending[:i:i], w.pending[i+1:]...)
	return p
}

// restore waits for a snapshot and restores a new job from it.
func (w *world) restore(h harness, p *pending, parallelism int) []subtask {
	w.t.Helper()
	for _, g := range p.gates {
		g.open()
	}
	handles := waitFor(w.t, p.running...)
	w.confirm(handles)
	fresh := w.open(h, parallelism)
	for _, s := range fresh {
		restore(w.t, s.backend(), w.store, handles...)
	}
	return fresh
}

// stepCancel cancels a pending snapshot.
func (w *world) stepCancel() {
	if p := w.draw(); p != nil {
		w.note("cancel snapshot %s", p.name)
		w.cancel(p)
	}
}

// cancel cancels a snapshot and checks that it leaves no files.
func (w *world) cancel(p *pending) {
	for i, running := range p.running {
		running.Cancel()
		if _, err := running.Wait(); err != nil {
			require.ErrorIs(w.t, err, snapshot.ErrCanceled)
			require.NotContains(w.t, w.store.content(), fmt.Sprintf("%s-%d", p.name, i))
		}
	}
}

// stepRestart replaces the job by one that is restored from a pending or a new snapshot.
func (w *world) stepRestart() {
	p := w.draw()
	if p == nil || w.rng.IntN(2) == 0 {
		if p != nil {
			w.cancel(p)
		}
		p = w.begin()
	}
	parallelism := 1 + w.rng.IntN(4)
	w.note("restart from snapshot %s at parallelism %d", p.name, parallelism)
	fresh := w.restore(w.h, p, parallelism)
	w.abandon()
	closeAll(w.t, w.subtasks)
	w.subtasks, w.model = fresh, p.want.clone()
}

// giveUp ends the pending snapshots of a failed program.
func (w *world) giveUp() {
	for _, p := range w.pending {
		for _, running := range p.running {
			running.Cancel()
			_, _ = running.Wait()
		}
	}
}

// abandon cancels all pending snapshots.
func (w *world) abandon() {
	for _, p := range w.pending {
		w.cancel(p)
	}
	w.pending = nil
}

// closeAll closes the backends of a job.
func closeAll(t testing.TB, subtasks []subtask) {
	for _, s := range subtasks {
		require.NoError(t, s.backend().Close())
	}
}

// stepCompare compares the contents of the job with the model.
func (w *world) stepCompare() {
	w.note("compare everything")
	w.compare(w.subtasks, w.model, false)
}
