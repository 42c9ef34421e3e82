package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// taken returns a snapshot of a job with four users, as a file in memory, and the job's rows.
func taken(t testing.TB) (files memory, h snapshot.Handle, rows []string) {
	j := newJob(t, eightGroups)
	fillJob(t, j, 4)
	files = memory{"state": fileOf(t, j.backend, fixtureID, snapshot.Zstd, snapshot.Sizes{})}
	h, err := snapshot.ReadHandle(context.Background(), files, "state")
	require.NoError(t, err)
	return files, h, content(t, j.backend)
}

// requireNotRestored requires that a restore fails before it loads anything: the backend is empty,
// and a valid handle can be restored into it.
func requireNotRestored(t *testing.T, j *job, from snapshot.Source, want error, handles ...snapshot.Handle) {
	t.Helper()
	done, err := snapshot.Restore(context.Background(), j.backend, from, handles, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, want)
	require.Zero(t, done)
	require.True(t, j.backend.Empty())
	require.NoError(t, j.keyed.SetKey("still usable"))
	require.NoError(t, j.count.Set(1))
	require.NoError(t, j.count.Clear())
	files, good, rows := taken(t)
	if j.backend.Registry().Keyspace() == eightGroups {
		_, err = snapshot.Restore(context.Background(), j.backend, files, []snapshot.Handle{good}, snapshot.RestoreOptions{})
		require.NoError(t, err)
		require.Equal(t, rows, content(t, j.backend))
	}
}

func TestRestoredBackendHasTheRowsOfTheSnapshot(t *testing.T) {
	for name, open := range map[string]func(state.Options) (*heapstate.Backend, error){
		"hash": heapstate.NewHash, "btree": heapstate.NewBTree,
	} {
		t.Run(name, func(t *testing.T) {
			files, h, rows := taken(t)
			b, err := open(state.Options{Keyspace: eightGroups})
			require.NoError(t, err)
			declareJob(t, b)
			done, err := snapshot.Restore(context.Background(), b, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
			require.NoError(t, err)
			require.Equal(t, snapshot.Restored{Rows: h.Rows}, done)
			require.Equal(t, rows, content(t, b))
		})
	}
}

func TestEmptyBackendMakesARoundTrip(t *testing.T) {
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	h := take(t, newJob(t, eightGroups).backend, d, "state")
	require.Zero(t, h.Rows)
	require.True(t, restore(t, eightGroups, d, h).backend.Empty())

	bare, err := heapstate.NewHash(state.Options{Keyspace: eightGroups})
	require.NoError(t, err)
	h = take(t, bare, d, "bare")
	require.Empty(t, h.States)
	require.True(t, restore(t, eightGroups, d, h).backend.Empty())
}

// The sizes of rows are around the size of a block, of a large row, and of the parts of a large row.
func TestRowsOfEverySizeMakeARoundTrip(t *testing.T) {
	var rows []row
	for n := range 400 {
		rows = append(rows, row{fmt.Appendf(keyOf(1, "count", ""), "%04d", n), bytes.Repeat([]byte{byte(n)}, n)})
	}
	v := fixedView{rows: map[uint16][]row{0: nil, 1: rows}}
	for _, c := range []snapshot.Compression{snapshot.Zstd, snapshot.None} {
		for _, s := range []snapshot.Sizes{{Full: 1, Large: 20}, {Full: 100, Large: 50}, {Full: 50, Large: 100}, {Full: 300, Large: 300}, {}} {
			var file bytes.Buffer
			require.NoError(t, snapshot.WriteView(&file, v, fixtureID, c, s))
			at := 0
			require.NoError(t, readFile(file.Bytes(), func(key, value []byte) error {
				if !bytes.Equal(rows[at].key, key) || !bytes.Equal(rows[at].value, value) {
					return fmt.Errorf("row %d is another", at)
				}
				at++
				return nil
			}))
			require.Equal(t, len(rows), at)
		}
	}
}

func TestRowsAboveABlockMakeARoundTrip(t *testing.T) {
	for _, c := range []snapshot.Compression{snapshot.Zstd, snapshot.None} {
		j := newJob(t, eightGroups)
		require.NoError(t, j.keyed.SetKey(string(bytes.Repeat([]byte("key"), 1<<20))))
		require.NoError(t, j.count.Set(3))
		require.NoError(t, j.events.Add(string(bytes.Repeat([]byte("event"), 1<<19))))
		back, err := restoreFile(t, eightGroups, fileOf(t, j.backend, fixtureID, c, snapshot.Sizes{}))
		require.NoError(t, err)
		require.True(t, slices.Equal(content(t, j.backend), content(t, back.backend)))
	}
}

func TestRestoreWantsEachKeyGroupOnce(t *testing.T) {
	files, h, _ := taken(t)
	// with returns the handle with one reference to its file for each of the bounds.
	with := func(bounds ...state.GroupRange) snapshot.Handle {
		other := h
		other.Files = nil
		for _, b := range bounds {
			ref := h.Files[0]
			ref.Bounds = b
			other.Files = append(other.Files, ref)
		}
		return other
	}
	type groups = state.GroupRange
	for name, handles := range map[string][]snapshot.Handle{
		"no handle":                  nil,
		"no file":                    {with()},
		"hole at the beginning":      {with(groups{First: 1, Last: 7})},
		"hole at the end":            {with(groups{First: 0, Last: 6})},
		"hole in the middle":         {with(groups{First: 0, Last: 2}, groups{First: 4, Last: 7})},
		"overlap":                    {with(groups{First: 0, Last: 4}, groups{First: 4, Last: 7})},
		"twice":                      {with(groups{First: 0, Last: 7}, groups{First: 0, Last: 7})},
		"handle twice":               {h, h},
		"one inside the other":       {with(groups{First: 0, Last: 7}), with(groups{First: 3, Last: 3})},
		"overlap between handles":    {with(groups{First: 0, Last: 4}), with(groups{First: 3, Last: 7})},
		"backwards":                  {with(groups{First: 7, Last: 0})},
		"same beginning, other ends": {with(groups{First: 0, Last: 3}), with(groups{First: 0, Last: 7})},
	} {
		t.Run(name, func(t *testing.T) {
			requireNotRestored(t, newJob(t, eightGroups), files, snapshot.ErrCoverage, handles...)
		})
	}
	// Any division without a hole or an overlap restores everything.
	_, _, rows := taken(t)
	for _, handles := range [][]snapshot.Handle{
		{with(groups{First: 4, Last: 7}, groups{First: 0, Last: 3})},
		{with(groups{First: 5, Last: 7}), with(groups{First: 0, Last: 0}, groups{First: 1, Last: 4})},
	} {
		require.Equal(t, rows, content(t, restore(t, eightGroups, files, handles...).backend))
	}
}

func TestRestoreRefusesAFileThatIsNotTheHandles(t *testing.T) {
	files, h, _ := taken(t)
	j := newJob(t, eightGroups)
	fillJob(t, j, 4)
	foreign := memory{"state": fileOf(t, j.backend, snapshot.Identity{'x'}, snapshot.Zstd, snapshot.Sizes{})}
	requireNotRestored(t, newJob(t, eightGroups), foreign, snapshot.ErrMismatch, h)

	fillJob(t, j, 5)
	larger := memory{"state": fileOf(t, j.backend, fixtureID, snapshot.Zstd, snapshot.Sizes{})}
	requireNotRestored(t, newJob(t, eightGroups), larger, snapshot.ErrMismatch, h)

	fewer := h
	fewer.States = h.States[1:]
	requireNotRestored(t, newJob(t, eightGroups), files, snapshot.ErrMismatch, fewer)

	// The file is of one subtask, and the handle claims that it has all key groups.
	half := state.SubtaskKeyspace(0, 2, 8)
	part := newJob(t, half)
	fillJob(t, part, 4)
	file := fileOf(t, part.backend, fixtureID, snapshot.Zstd, snapshot.Sizes{})
	lie := h
	lie.Files = []snapshot.FileRef{{Name: "state", Identity: fixtureID, Size: int64(len(file)), Bounds: eightGroups.Groups}}
	requireNotRestored(t, newJob(t, eightGroups), memory{"state": file}, snapshot.ErrMismatch, lie)
}

func TestRestoreRefusesAFileOfAnotherMaxParallelismThanItsHandle(t *testing.T) {
	_, h, _ := taken(t)
	j := newJob(t, state.Keyspace{MaxParallelism: 16, Groups: eightGroups.Groups})
	file := fileOf(t, j.backend, fixtureID, snapshot.Zstd, snapshot.Sizes{})
	h.Files = []snapshot.FileRef{{Name: "state", Identity: fixtureID, Size: int64(len(file)), Bounds: eightGroups.Groups}}
	requireNotRestored(t, newJob(t, eightGroups), memory{"state": file}, snapshot.ErrMismatch, h)
}

func TestRestoreRefusesAnotherMaxParallelism(t *testing.T) {
	files, h, _ := taken(t)
	for _, n := range []int{4, 7, 9, 16} {
		j := newJob(t, state.WholeKeyspace(n))
		requireNotRestored(t, j, files, state.ErrMaxParallelism, h)
	}
}

func TestRestoreRefusesAMissingFile(t *testing.T) {
	_, h, _ := taken(t)
	requireNotRestored(t, newJob(t, eightGroups), memory{}, fs.ErrNotExist, h)
	requireNotRestored(t, newJob(t, eightGroups), directoryOn(t, vfstest.NewMem(vfstest.MemOptions{})), fs.ErrNotExist, h)
}

func TestRestoreRefusesABackendWithState(t *testing.T) {
	files, h, rows := taken(t)
	j := restore(t, eightGroups, files, h)
	_, err := snapshot.Restore(context.Background(), j.backend, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, state.ErrNotEmpty)
	require.Equal(t, rows, content(t, j.backend), "the rows of the backend stay")
	require.NoError(t, j.backend.Close())
	_, err = snapshot.Restore(context.Background(), j.backend, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, state.ErrClosed)
}

// pair returns a codec of a struct with one field. The arguments determine every part of its ID.
func pair(name string, version uint32, field string) codec.Codec[mean] {
	return codec.Struct(name, version,
		codec.Field(field, func(m *mean) *int64 { return &m.sum }, codec.Int[int64]()))
}

// single returns a backend with one value state, and the state.
func single[K any](t testing.TB, key codec.Codec[K], name string, c codec.Codec[mean]) (*heapstate.Backend, *state.Keyed[K], state.ValueState[mean]) {
	b, err := heapstate.NewHash(state.Options{Keyspace: eightGroups})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, key)
	require.NoError(t, err)
	v, err := state.ValueOf(k, state.ValueDescriptor[mean]{Name: name, Codec: c})
	require.NoError(t, err)
	return b, k, v
}

// takenSingle returns a snapshot of a backend of single with one row.
func takenSingle(t testing.TB, name string, c codec.Codec[mean]) (memory, snapshot.Handle) {
	b, k, v := single(t, codec.String[string](), name, c)
	require.NoError(t, k.SetKey("key"))
	require.NoError(t, v.Set(mean{sum: 7}))
	files := memory{name: fileOf(t, b, fixtureID, snapshot.None, snapshot.Sizes{})}
	h, err := snapshot.ReadHandle(context.Background(), files, name)
	require.NoError(t, err)
	return files, h
}

func TestRestoreRefusesAnotherCodecOrKindBeforeAnyRow(t *testing.T) {
	ctx := context.Background()
	files, h := takenSingle(t, "s", pair("pair", 1, "a"))
	text := codec.String[string]()
	value := func(c codec.Codec[mean]) *heapstate.Backend {
		b, _, _ := single(t, text, "s", c)
		return b
	}
	asList := func() *heapstate.Backend {
		b, err := heapstate.NewHash(state.Options{Keyspace: eightGroups})
		require.NoError(t, err)
		k, err := state.NewKeyed(b, text)
		require.NoError(t, err)
		_, err = state.ListOf(k, state.ListDescriptor[mean]{Name: "s", Codec: pair("pair", 1, "a")})
		require.NoError(t, err)
		return b
	}
	otherKey, _, _ := single(t, codec.Bytes(), "s", pair("pair", 1, "a"))
	for name, b := range map[string]*heapstate.Backend{
		"version":       value(pair("pair", 2, "a")),
		"lower version": value(pair("pair", 0, "a")),
		"name":          value(pair("couple", 1, "a")),
		"schema":        value(pair("pair", 1, "b")),
		"kind":          asList(),
		"key":           otherKey,
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []snapshot.RestoreOptions{{}, {AllowUnclaimed: true}} {
				done, err := snapshot.Restore(ctx, b, files, []snapshot.Handle{h}, o)
				require.ErrorIs(t, err, state.ErrIncompatible)
				require.Zero(t, done)
				require.True(t, b.Empty())
				require.False(t, b.Registry().Closed(), "the program may go on without the state")
			}
		})
	}
	_, err := snapshot.Restore(ctx, value(pair("pair", 1, "a")), files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.NoError(t, err)
}

func TestUndeclaredStateIsRefusedOrDropped(t *testing.T) {
	ctx := context.Background()
	files, h := takenSingle(t, "old", pair("pair", 1, "a"))
	b, _, _ := single(t, codec.String[string](), "new", pair("pair", 1, "a"))
	_, err := snapshot.Restore(ctx, b, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, state.ErrUnknownState)
	done, err := snapshot.Restore(ctx, b, files, []snapshot.Handle{h}, snapshot.RestoreOptions{AllowUnclaimed: true})
	require.NoError(t, err)
	require.Equal(t, snapshot.Restored{Unclaimed: 1}, done)
	require.True(t, b.Empty())
}

// colliding returns two names with the same id, which it finds by trial.
func colliding(t testing.TB) (a, b string) {
	names := make(map[state.ID]string)
	for i := range 1 << 20 {
		name := fmt.Sprint("state", i)
		if other, ok := names[backend.IDOf(name)]; ok {
			return other, name
		}
		names[backend.IDOf(name)] = name
	}
	t.Fatal("no two names with one id")
	return "", ""
}

func TestRestoreRefusesHandlesThatDisagreeOnNames(t *testing.T) {
	ctx := context.Background()
	one, other := colliding(t)
	// half returns a handle of one half of the key groups.
	half := func(i int, name string, c codec.Codec[mean]) (memory, snapshot.Handle) {
		files, h := takenSingle(t, name, c)
		h.Files[0].Bounds = state.SubtaskKeyspace(i, 2, 8).Groups
		return files, h
	}
	leftFiles, left := half(0, one, pair("pair", 1, "a"))
	for name, right := range map[string]struct {
		name  string
		codec codec.Codec[mean]
	}{
		"two names of one id": {other, pair("pair", 1, "a")},
		"two codecs":          {one, pair("pair", 2, "a")},
	} {
		t.Run(name, func(t *testing.T) {
			rightFiles, right := half(1, right.name, right.codec)
			files := memory{left.Files[0].Name: leftFiles[left.Files[0].Name]}
			right.Files[0].Name = "right"
			for _, file := range rightFiles {
				files["right"] = file
			}
			b, _, _ := single(t, codec.String[string](), "third", pair("pair", 1, "a"))
			_, err := snapshot.Restore(ctx, b, files, []snapshot.Handle{left, right}, snapshot.RestoreOptions{AllowUnclaimed: true})
			require.ErrorIs(t, err, state.ErrStateCollision)
			require.True(t, b.Empty())
			require.False(t, b.Registry().Closed())
		})
	}
	b, _, _ := single(t, codec.String[string](), other, pair("pair", 1, "a"))
	_, err := snapshot.Restore(ctx, b, leftFiles, []snapshot.Handle{left}, snapshot.RestoreOptions{AllowUnclaimed: true})
	require.ErrorIs(t, err, state.ErrStateCollision, "with the declared state")
}

// failingSource returns an error for reads from byte from on.
type failingSource struct {
	snapshot.Source
	from int64
	err  error
}

func (s failingSource) Open(ctx context.Context, name string) (snapshot.Object, error) {
	o, err := s.Source.Open(ctx, name)
	return failingObject{o, s}, err
}

type failingObject struct {
	snapshot.Object
	s failingSource
}

func (o failingObject) ReadAt(p []byte, offset int64) (int, error) {
	size, err := o.Size()
	if err != nil {
		return 0, err
	}
	// The end of the file, with index and trailer, stays readable: it is read first.
	if offset >= o.s.from && offset < size-1000 {
		return 0, o.s.err
	}
	return o.Object.ReadAt(p, offset)
}

func TestRestoreThatFailsInTheMiddleClosesTheBackend(t *testing.T) {
	broken := errors.New("medium error")
	j := newJob(t, eightGroups)
	fillJob(t, j, 40)
	file := fileOf(t, j.backend, fixtureID, snapshot.None, snapshot.Sizes{})
	files := memory{"state": file}
	h, err := snapshot.ReadHandle(context.Background(), files, "state")
	require.NoError(t, err)
	middle := int64(len(file) / 2)
	damaged := bytes.Clone(file)
	damaged[middle] ^= 1
	canceled, cancel := context.WithCancelCause(context.Background())
	ending := &endingSource{Source: files, from: middle, end: func() { cancel(broken) }}
	for name, c := range map[string]struct {
		from snapshot.Source
		ctx  context.Context
		want error
	}{
		"damaged":    {memory{"state": damaged}, context.Background(), snapshot.ErrCorrupt},
		"unreadable": {failingSource{files, middle, broken}, context.Background(), broken},
		"canceled":   {ending, canceled, broken},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, eightGroups)
			done, err := snapshot.Restore(c.ctx, j.backend, c.from, []snapshot.Handle{h}, snapshot.RestoreOptions{})
			require.ErrorIs(t, err, c.want)
			require.Less(t, done.Rows, h.Rows)
			require.True(t, j.backend.Registry().Closed())
			require.ErrorIs(t, j.keyed.SetKey("key"), state.ErrClosed)
		})
	}
}

// closing is a Source that counts open objects.
type closing struct {
	snapshot.Source
	open int
}

func (c *closing) Open(ctx context.Context, name string) (snapshot.Object, error) {
	o, err := c.Source.Open(ctx, name)
	if err == nil {
		c.open++
	}
	return closingObject{o, c}, err
}

type closingObject struct {
	snapshot.Object
	c *closing
}

func (o closingObject) Close() error {
	o.c.open--
	return o.Object.Close()
}

func TestRestoreClosesEveryFileItOpened(t *testing.T) {
	files, h, _ := taken(t)
	two := h
	first, second := h.Files[0], h.Files[0]
	first.Bounds, second.Bounds = state.GroupRange{First: 0, Last: 3}, state.GroupRange{First: 4, Last: 7}
	two.Files = []snapshot.FileRef{first, second}
	missing, wrong := second, second
	missing.Name, wrong.Identity = "missing", snapshot.Identity{}
	damaged := bytes.Clone(files["state"])
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		from memory
		last snapshot.FileRef
	}{
		"good": {files, second}, "missing": {files, missing}, "mismatch": {files, wrong}, "damaged": {memory{"state": damaged}, second},
	} {
		t.Run(name, func(t *testing.T) {
			two.Files[1] = c.last
			from := &closing{Source: c.from}
			_, err := snapshot.Restore(context.Background(), newJob(t, eightGroups).backend, from, []snapshot.Handle{two}, snapshot.RestoreOptions{})
			require.Equal(t, name == "good", err == nil, "%v", err)
			require.Zero(t, from.open)
			_, _ = snapshot.ReadHandle(context.Background(), from, "state")
			require.Zero(t, from.open)
		})
	}
}

// Handles of one parallelism can be restored at any other.
func TestHandlesRescale(t *testing.T) {
	const users = 60
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	whole := newJob(t, eightGroups)
	fillJob(t, whole, users)
	want := content(t, whole.backend)
	handles := []snapshot.Handle{take(t, whole.backend, d, "from-1")}
	for step, parallelism := range []int{2, 3, 1, 8, 5, 1} {
		var next []snapshot.Handle
		var all []string
		for i := range parallelism {
			j := restore(t, state.SubtaskKeyspace(i, parallelism, 8), d, handles...)
			all = append(all, content(t, j.backend)...)
			next = append(next, take(t, j.backend, d, fmt.Sprintf("step-%d-subtask-%d", step, i)))
		}
		require.Equal(t, want, all, "parallelism %d", parallelism)
		handles = next
	}
	// The timers of the restored task fire once.
	j := restore(t, eightGroups, d, handles...)
	fired := 0
	require.NoError(t, j.timers.Advance(state.EventTime, 1<<40, func(state.Timer[string]) error { fired++; return nil }))
	require.Equal(t, 3*users, fired)
}
