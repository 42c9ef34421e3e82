package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// hooked is a Target that calls write with the number of each write before it.
type hooked struct {
	snapshot.Target
	write func(n int)
}

func (h hooked) Create(ctx context.Context, name string) (snapshot.File, error) {
	f, err := h.Target.Create(ctx, name)
	return &hookedFile{File: f, write: h.write}, err
}

type hookedFile struct {
	snapshot.File
	write func(n int)
	n     int
}

func (f *hookedFile) Write(p []byte) (int, error) {
	f.write(f.n)
	f.n++
	return f.File.Write(p)
}

// held is a Target whose writes wait until open is closed.
func held(to snapshot.Target) (target snapshot.Target, open chan struct{}) {
	open = make(chan struct{})
	return hooked{to, func(int) { <-open }}, open
}

func smallJob(t testing.TB) *job {
	j := newJob(t, eightGroups)
	fillJob(t, j, 2)
	return j
}

func TestCancellationAtEveryWriteLeavesNothing(t *testing.T) {
	ended := errors.New("the job has ended")
	type cancel = func(context.CancelCauseFunc, *snapshot.Running)
	for name, way := range map[string]struct {
		cancel cancel
		want   error
	}{
		"Cancel":          {func(_ context.CancelCauseFunc, r *snapshot.Running) { r.Cancel() }, snapshot.ErrCanceled},
		"cause":           {func(end context.CancelCauseFunc, _ *snapshot.Running) { end(ended) }, ended},
		"no cause":        {func(end context.CancelCauseFunc, _ *snapshot.Running) { end(nil) }, context.Canceled},
		"the first holds": {func(end context.CancelCauseFunc, r *snapshot.Running) { r.Cancel(); end(ended) }, snapshot.ErrCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, eightGroups)
			fillJob(t, j, 6)
			for n, last := 0, false; !last; n++ {
				ctx, end := context.WithCancelCause(context.Background())
				mem := vfstest.NewMem(vfstest.MemOptions{})
				running := make(chan *snapshot.Running, 1)
				last = true
				to := hooked{directoryOn(t, mem), func(i int) {
					if i == n {
						way.cancel(end, <-running)
						last = false
					}
				}}
				r, err := snapshot.Start(ctx, j.backend, to, snapshot.Options{})
				require.NoError(t, err)
				running <- r
				h, err := r.Wait()
				end(nil)
				if last {
					require.NoError(t, err)
					require.Greater(t, n, 10, "writes")
					break
				}
				require.ErrorIs(t, err, way.want, "write %d", n)
				require.Zero(t, h, "write %d", n)
				require.Empty(t, list(t, mem), "write %d", n)
			}
		})
	}
}

func TestContextThatHasEndedWritesNothing(t *testing.T) {
	j := smallJob(t)
	mem := vfstest.NewMem(vfstest.MemOptions{})
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	r, err := snapshot.Start(ctx, j.backend, directoryOn(t, mem), snapshot.Options{})
	require.NoError(t, err)
	_, err = r.Wait()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, list(t, mem))
}

func TestCancelAfterTheEndDoesNothing(t *testing.T) {
	j := smallJob(t)
	mem := vfstest.NewMem(vfstest.MemOptions{})
	r, err := snapshot.Start(context.Background(), j.backend, directoryOn(t, mem), snapshot.Options{})
	require.NoError(t, err)
	h, err := r.Wait()
	require.NoError(t, err)
	r.Cancel()
	again, err := r.Wait()
	require.NoError(t, err)
	require.Equal(t, h, again)
	require.Equal(t, []string{"state"}, list(t, mem))
}

func TestProgressOnlyGrowsAndEndsComplete(t *testing.T) {
	j := smallJob(t)
	running := make(chan *snapshot.Running, 1)
	var r *snapshot.Running
	var seen []snapshot.Progress
	to := hooked{directoryOn(t, vfstest.NewMem(vfstest.MemOptions{})), func(int) {
		if r == nil {
			r = <-running
		}
		seen = append(seen, r.Progress())
	}}
	started, err := snapshot.Start(context.Background(), j.backend, to, snapshot.Options{})
	require.NoError(t, err)
	running <- started
	h, err := started.Wait()
	require.NoError(t, err)
	seen = append(seen, started.Progress())

	require.Equal(t, snapshot.Progress{OfGroups: 8}, seen[0])
	for i, p := range seen[1:] {
		before := seen[i]
		require.GreaterOrEqual(t, p.Groups, before.Groups)
		require.GreaterOrEqual(t, p.Rows, before.Rows)
		require.GreaterOrEqual(t, p.Bytes, before.Bytes)
		require.Equal(t, 8, p.OfGroups)
	}
	last := seen[len(seen)-1]
	require.Equal(t, 8, last.Groups)
	require.Equal(t, h.Rows, last.Rows)
	require.LessOrEqual(t, last.Bytes, h.Bytes())
	require.NotEqual(t, seen[0], seen[len(seen)/2], "it moves before the end")
}

func TestSynchronousSnapshotIsDoneWhenStartReturns(t *testing.T) {
	j := smallJob(t)
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	r, err := snapshot.Start(context.Background(), j.backend, d, snapshot.Options{Synchronous: true})
	require.NoError(t, err)
	requireDone(t, r, true)
	names, err := d.List()
	require.NoError(t, err)
	require.Equal(t, []string{"state"}, names)
}

func TestAsynchronousSnapshotDoesNotHoldTheTask(t *testing.T) {
	j := smallJob(t)
	before := content(t, j.backend)
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	to, open := held(d)
	r, err := snapshot.Start(context.Background(), j.backend, to, snapshot.Options{})
	require.NoError(t, err)
	requireDone(t, r, false)
	fillJob(t, j, 8) // while the target blocks the snapshot
	close(open)
	h, err := r.Wait()
	require.NoError(t, err)
	requireDone(t, r, true)
	require.Positive(t, r.Pause())
	require.Equal(t, before, content(t, restore(t, eightGroups, d, h).backend))
}

func requireDone(t *testing.T, r *snapshot.Running, want bool) {
	t.Helper()
	select {
	case <-r.Done():
		require.True(t, want, "done too early")
	default:
		require.False(t, want, "not done")
	}
}

func TestSecondSnapshotOfANameFailsAndTheFirstStays(t *testing.T) {
	ctx := context.Background()
	for _, overlap := range []bool{false, true} {
		t.Run(fmt.Sprint("overlapping: ", overlap), func(t *testing.T) {
			j := smallJob(t)
			first := content(t, j.backend)
			mem := vfstest.NewMem(vfstest.MemOptions{})
			d := directoryOn(t, mem)
			to, open := held(d)
			var late *snapshot.Running
			var err error
			if overlap { // the snapshot that must fail starts first and ends last
				late, err = snapshot.Start(ctx, j.backend, to, snapshot.Options{})
				require.NoError(t, err)
			}
			h := take(t, j.backend, d, "state")
			fillJob(t, j, 4)
			if !overlap {
				late, err = snapshot.Start(ctx, j.backend, to, snapshot.Options{})
				require.NoError(t, err)
			}
			close(open)
			_, err = late.Wait()
			require.ErrorIs(t, err, fs.ErrExist)
			require.Equal(t, []string{"state"}, list(t, mem))
			require.Equal(t, first, content(t, restore(t, eightGroups, d, h).backend))
		})
	}
}

func TestOverlappingSnapshotsHoldEachItsOwnMoment(t *testing.T) {
	j := newJob(t, eightGroups)
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	type open struct {
		running *snapshot.Running
		gate    chan struct{}
		content []string
	}
	var all []open
	for i := range 6 {
		fillJob(t, j, i) // adds rows
		to, gate := held(d)
		r, err := snapshot.Start(context.Background(), j.backend, to, snapshot.Options{Name: fmt.Sprint(i)})
		require.NoError(t, err)
		all = append(all, open{r, gate, content(t, j.backend)})
	}
	require.NoError(t, j.keyed.SetKey("user\x0000"))
	require.NoError(t, j.count.Clear())
	for _, i := range []int{4, 0, 5, 2, 1, 3} { // they end in another order than they started
		close(all[i].gate)
		h, err := all[i].running.Wait()
		require.NoError(t, err)
		require.Equal(t, all[i].content, content(t, restore(t, eightGroups, d, h).backend), "snapshot %d", i)
		fillJob(t, j, 6-i)
	}
}

// watched is a Backend that counts open views.
type watched struct {
	*heapstate.Backend
	open int
}

func (w *watched) View() (snapshot.View, error) {
	v, err := w.Backend.View()
	w.open++
	return &watchedView{v, w}, err
}

type watchedView struct {
	snapshot.View
	of *watched
}

func (v *watchedView) Close() {
	v.of.open--
	v.View.Close()
}

func TestViewIsClosedHoweverTheSnapshotEnds(t *testing.T) {
	failed := errors.New("target failed")
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, run := range map[string]struct {
		ctx  context.Context
		to   snapshot.Target
		want error
	}{
		"done":     {context.Background(), d, nil},
		"canceled": {canceled, d, context.Canceled},
		"create":   {context.Background(), failing{d, failed, "create"}, failed},
		"write":    {context.Background(), failing{d, failed, "write"}, failed},
		"commit":   {context.Background(), failing{d, failed, "commit"}, failed},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watched{Backend: smallJob(t).backend}
			r, err := snapshot.Start(run.ctx, w, run.to, snapshot.Options{Name: name})
			require.NoError(t, err)
			<-r.Done()
			require.Zero(t, w.open, "views open when Done is closed")
			_, err = r.Wait()
			require.ErrorIs(t, err, run.want)
		})
	}
	names, err := d.List()
	require.NoError(t, err)
	require.Equal(t, []string{"done"}, names)
}

// failing is a Target in which one kind of call fails.
type failing struct {
	snapshot.Target
	err error
	at  string
}

func (f failing) Create(ctx context.Context, name string) (snapshot.File, error) {
	if f.at == "create" {
		return nil, f.err
	}
	file, err := f.Target.Create(ctx, name)
	return failingFile{file, f}, err
}

type failingFile struct {
	snapshot.File
	f failing
}

func (f failingFile) Write(p []byte) (int, error) {
	if f.f.at == "write" {
		return 0, f.f.err
	}
	return f.File.Write(p)
}

func (f failingFile) Commit() error {
	if f.f.at == "commit" {
		return f.f.err
	}
	return f.File.Commit()
}

// The task copies pages only while a snapshot is in progress.
func TestTaskWritesInPlaceAgainOnceTheSnapshotIsDone(t *testing.T) {
	j := smallJob(t)
	to, open := held(directoryOn(t, vfstest.NewMem(vfstest.MemOptions{})))
	require.NoError(t, j.keyed.SetKey("user\x0000"))
	set := func() {
		if err := j.count.Set(1); err != nil {
			t.Fatal(err)
		}
	}
	require.Zero(t, testing.AllocsPerRun(10, set))
	r, err := snapshot.Start(context.Background(), j.backend, to, snapshot.Options{})
	require.NoError(t, err)
	require.Positive(t, allocatedBytes(set), "the first write while the snapshot reads")
	close(open)
	_, err = r.Wait()
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(10, set))

	// The same holds if the task wrote nothing during the snapshot.
	r, err = snapshot.Start(context.Background(), j.backend, directoryOn(t, vfstest.NewMem(vfstest.MemOptions{})), snapshot.Options{})
	require.NoError(t, err)
	_, err = r.Wait()
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(10, set))
}

func TestStartRefusesInvalidArguments(t *testing.T) {
	j := smallJob(t)
	mem := vfstest.NewMem(vfstest.MemOptions{})
	d := directoryOn(t, mem)
	_, err := snapshot.Start(context.Background(), j.backend, d, snapshot.Options{Name: "a/b"})
	require.ErrorIs(t, err, snapshot.ErrName)
	_, err = snapshot.Start(context.Background(), nil, d, snapshot.Options{})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = snapshot.Start(context.Background(), j.backend, nil, snapshot.Options{})
	require.ErrorIs(t, err, state.ErrInvalid)
	require.NoError(t, j.backend.Close())
	_, err = snapshot.Start(context.Background(), j.backend, d, snapshot.Options{})
	require.ErrorIs(t, err, state.ErrClosed)
	require.Empty(t, list(t, mem))
}

// fixedBackend is a Backend with a fixed view. Its other methods must not be called.
type fixedBackend struct {
	snapshot.Backend
	view fixedView
}

func (b fixedBackend) View() (snapshot.View, error) { return b.view, nil }

// fixedView is a View with the states and rows of a test.
type fixedView struct {
	states []backend.Info
	rows   map[uint16][]row
}

func (v fixedView) Keyspace() state.Keyspace { return eightGroups }
func (v fixedView) States() []backend.Info   { return v.states }
func (v fixedView) Close()                   {}

func (v fixedView) Rows(group uint16, yield func(key, value []byte) error) error {
	for _, r := range v.rows[group] {
		if err := yield(r.key, r.value); err != nil {
			return err
		}
	}
	return nil
}

// If no reader would accept a snapshot, writing it must fail, while the state still exists.
func TestViewThatBreaksItsContractFails(t *testing.T) {
	a, b := countRow(1, "a", 0), countRow(1, "b", 0)
	large := countRow(1, "a"+string(make([]byte, 3<<20)), 0)
	many := make([]backend.Info, 1<<16+1)
	long := slices.Repeat([]backend.Info{{Name: "a", Key: codec.ID{Schema: string(make([]byte, 1<<20))}}}, 16)
	for name, v := range map[string]fixedView{
		"out of order":             {rows: map[uint16][]row{1: {b, a}}},
		"key twice":                {rows: map[uint16][]row{1: {a, a}}},
		"large key twice":          {rows: map[uint16][]row{1: {large, large}}},
		"small after large":        {rows: map[uint16][]row{1: {large, a}}},
		"key of another key group": {rows: map[uint16][]row{2: {a}}},
		"key without header":       {rows: map[uint16][]row{1: {{key: a.key[:5]}}}},
		"too many states":          {states: many},
		"name table too large":     {states: long},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			r, err := snapshot.Start(context.Background(), fixedBackend{view: v}, directoryOn(t, mem), snapshot.Options{})
			require.NoError(t, err)
			_, err = r.Wait()
			require.ErrorIs(t, err, state.ErrInvalid)
			require.Empty(t, list(t, mem))
		})
	}
}

// If a codec panics or ends the goroutine, the snapshot must fail and leave no file.
func TestAsynchronousHalfThatPanicsOrExitsIsAnError(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("canary") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := heapstate.NewHash(state.Options{})
			require.NoError(t, err)
			k, err := state.NewKeyed(b, codec.Int[int]())
			require.NoError(t, err)
			armed := false
			c := codec.Func("trap", 1,
				func(dst []byte, _ int) ([]byte, error) {
					if armed {
						end()
					}
					return dst, nil
				},
				func([]byte) (int, error) { return 0, nil })
			v, err := state.ValueOf(k, state.ValueDescriptor[int]{Name: "v", Codec: c})
			require.NoError(t, err)
			require.NoError(t, k.SetKey(1))
			require.NoError(t, v.Set(1))
			armed = true

			fsys := vfstest.NewMem(vfstest.MemOptions{})
			d := directoryOn(t, fsys)
			r, err := snapshot.Start(context.Background(), b, d, snapshot.Options{})
			require.NoError(t, err)
			_, err = r.Wait()
			require.ErrorIs(t, err, snapshot.ErrPanic)
			require.NotContains(t, err.Error(), "canary")
			names, err := d.List()
			require.NoError(t, err)
			require.Empty(t, names)
			require.NoError(t, d.RemoveLeftovers())
		})
	}
}

func TestViewWithAValueAboveTheLimitFails(t *testing.T) {
	v := fixedView{rows: map[uint16][]row{1: {{countRow(1, "a", 0).key, make([]byte, 100)}}}}
	write := func(most int) error {
		return snapshot.WriteView(io.Discard, v, fixtureID, snapshot.None, snapshot.Sizes{Value: most})
	}
	require.NoError(t, write(100))
	require.ErrorIs(t, write(99), state.ErrInvalid)
}

func TestUnknownCompressionIsInvalid(t *testing.T) {
	j := smallJob(t)
	_, err := snapshot.Start(context.Background(), j.backend, directoryOn(t, vfstest.NewMem(vfstest.MemOptions{})),
		snapshot.Options{Compression: 7})
	require.ErrorIs(t, err, state.ErrInvalid)
}
