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

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Random runs a random program of about so many operations on a job of a few subtasks
// of a backend, and compares the job with a model: every answer, the content of every
// snapshot after a restore at the same or another parallelism, and now and then
// everything. Snapshots overlap each other and the work; some are canceled; the job
// restarts from some. Package rapid draws the program and shrinks one that fails: the
// failure prints the calls that are left. Shorter programs run first: one that fails
// is shrunk sooner.
func Random(t testing.TB, open Opener, operations int) {
	t.Helper()
	for n := stepsTogether; n < operations; n *= 4 {
		random(t, open, n)
	}
	random(t, open, operations)
}

func random(t testing.TB, open Opener, operations int) {
	t.Helper()
	tryProgram(t, open, snapshot.Portable, func(w *world) {
		w.run(operations, slices.Concat(writeSteps, snapshotSteps))
		w.compare(w.subtasks, w.model, false)
		w.abandon()
	})
}

// World sizes: small enough that places are met again and that maps pass 64
// entries; many keys, so that an index passes several pages.
const (
	worldValueBytes = 64 // Limits.MaxValueSize
	worldKeys       = 24
	worldMany       = 1200 // further keys, written many at a time
	worldUserKeys   = 160
	worldTime       = 50
	worldPending    = 4
)

// world is a job, its model, and what is drawn next.
type world struct {
	t    testing.TB // of the program; see drawn
	h    harness
	rng  dice
	done []string // every call, for explain

	maxParallelism int
	ownGroups      bool // the caller computes key groups
	subtasks       []subtask
	model          *model

	store     *store
	mode      snapshot.Mode
	confirmed map[snapshot.Identity]snapshot.FileRef // files that may be shared
	taken     int                                    // snapshots
	pending   []*pending
}

// subtask is one backend with two programs on it.
type subtask [2]*program

func newWorld(t testing.TB, open Opener, rng dice) *world {
	w := &world{t: t, h: harness{open}, rng: rng, model: newModel(), store: newStore()}
	w.maxParallelism = 4 + w.rng.IntN(28)
	w.ownGroups = w.rng.IntN(2) == 0
	w.subtasks = w.open(w.h, 1+w.rng.IntN(3))
	return w
}

// step is something to do, drawn by weight.
type step struct {
	weight int
	do     func(*world)
}

// run draws about so many steps.
func (w *world) run(operations int, steps []step) {
	w.t.Helper()
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	w.rng.repeat(operations, func() {
		drawn := w.rng.IntN(total)
		for _, s := range steps {
			if drawn -= s.weight; drawn < 0 {
				s.do(w)
				break
			}
		}
	})
}

// note remembers what is being done, in case it fails.
func (w *world) note(format string, args ...any) {
	w.done = append(w.done, fmt.Sprintf(format, args...))
}

// explain logs the calls of a program that failed.
func (w *world) explain() {
	w.t.Logf("a program of %d calls fails at the last one, with %d subtasks and max parallelism %d:\n\t%s",
		len(w.done), len(w.subtasks), w.maxParallelism, strings.Join(w.done, "\n\t"))
}

// open opens a job of backends.
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

// owns says whether a key belongs to a subtask.
func (w *world) owns(s subtask, key string) bool {
	return s.backend().Registry().Keyspace().Groups.Contains(w.group(key))
}

func (w *world) group(key string) uint16 {
	if w.ownGroups {
		return uint16(len(key)*7+strings.Count(key, "a")) % uint16(w.maxParallelism)
	}
	return state.KeyGroup(xxhash.Sum64String(key), w.maxParallelism)
}

// of is the subtask that owns a key.
func (w *world) of(subtasks []subtask, key string) subtask {
	for _, s := range subtasks {
		if w.owns(s, key) {
			return s
		}
	}
	require.Fail(w.t, "no subtask owns a key")
	return subtask{}
}

// enter makes a key current on one of the programs that may own it, unless it
// is already and the dice say to rely on that.
func (w *world) enter(key string) *program {
	p := w.of(w.subtasks, key)[w.rng.IntN(2)]
	if current, ok := p.keyed.Key(); ok && current == key && w.rng.IntN(2) == 0 {
		return p
	}
	w.setKey(p, key)
	return p
}

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

// key draws a key; some are prefixes of others, some hold bytes that need an
// escape, and the first ones are drawn more often.
func (w *world) key() string {
	i := min(w.rng.IntN(worldKeys), w.rng.IntN(worldKeys))
	return strings.Repeat("a", i%5) + []string{"", "\x00", "b\x00\x01", "\xff", "long key of twenty b"}[i/5]
}

// space draws a namespace.
func (w *world) space() string {
	return []string{"", "", "", "a", "\x00", "ab", "\x00\x01"}[w.rng.IntN(7)]
}

func (w *world) place() place { return place{w.key(), w.space()} }

// userKey draws the key of a map entry.
func (w *world) userKey() string { return fmt.Sprint(w.rng.IntN(worldUserKeys)) }

// text draws a value. Few of them are too large.
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

func (w *world) texts() []string {
	list := make([]string, w.rng.IntN(6))
	for i := range list {
		list[i] = w.text()
	}
	return list
}

// fits checks the answer to a write of some values, and says whether it was to
// be taken.
func (w *world) fits(err error, values ...string) bool {
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

// pending is a snapshot of every subtask, and what it must hold.
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

// stepBegin starts a snapshot. Its files take a few writes at once, the rest
// when it ends, so that it reads its view late.
func (w *world) stepBegin() {
	if len(w.pending) == worldPending {
		return
	}
	p := w.begin()
	w.note("begin snapshot %s", p.name)
	w.pending = append(w.pending, p)
}

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

// stepEnd lets a snapshot end and compares what it restores to.
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

// draw takes one of the pending snapshots, nil if there is none.
func (w *world) draw() *pending {
	if len(w.pending) == 0 {
		return nil
	}
	i := w.rng.IntN(len(w.pending))
	p := w.pending[i]
	w.pending = append(w.pending[:i:i], w.pending[i+1:]...)
	return p
}

// restore waits for a snapshot and opens a job from it.
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

func (w *world) stepCancel() {
	if p := w.draw(); p != nil {
		w.note("cancel snapshot %s", p.name)
		w.cancel(p)
	}
}

func (w *world) cancel(p *pending) {
	for i, running := range p.running {
		running.Cancel()
		if _, err := running.Wait(); err != nil {
			require.ErrorIs(w.t, err, snapshot.ErrCanceled)
			require.NotContains(w.t, w.store.content(), fmt.Sprintf("%s-%d", p.name, i))
		}
	}
}

// stepRestart goes on from an old snapshot, or from now, in new backends.
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

// giveUp ends what a program that failed has left running.
func (w *world) giveUp() {
	for _, p := range w.pending {
		for _, running := range p.running {
			running.Cancel()
			_, _ = running.Wait()
		}
	}
}

// abandon cancels all snapshots.
func (w *world) abandon() {
	for _, p := range w.pending {
		w.cancel(p)
	}
	w.pending = nil
}

func closeAll(t testing.TB, subtasks []subtask) {
	for _, s := range subtasks {
		require.NoError(t, s.backend().Close())
	}
}

func (w *world) stepCompare() {
	w.note("compare everything")
	w.compare(w.subtasks, w.model, false)
}
