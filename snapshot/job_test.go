package snapshot_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// eightGroups is the keyspace of most tests. Few key groups make small files.
var eightGroups = state.WholeKeyspace(8)

// order is a value with fields of many types, for a struct codec.
type order struct {
	user  string
	paid  bool
	price float64
	at    time.Time
	items []uint32
	notes map[string]string
	next  *int16
}

var orderCodec = codec.Struct("order", 2,
	codec.Field("user", func(o *order) *string { return &o.user }, codec.String[string]()),
	codec.Field("paid", func(o *order) *bool { return &o.paid }, codec.Bool[bool]()),
	codec.Field("price", func(o *order) *float64 { return &o.price }, codec.Float[float64]()),
	codec.Field("at", func(o *order) *time.Time { return &o.at }, codec.Time()),
	codec.Field("items", func(o *order) *[]uint32 { return &o.items }, codec.Slice(codec.Int[uint32]())),
	codec.Field("notes", func(o *order) *map[string]string { return &o.notes }, codec.Map(codec.String[string](), codec.String[string]())),
	codec.Field("next", func(o *order) **int16 { return &o.next }, codec.Pointer(codec.Int[int16]())),
)

// mean is an accumulator.
type mean struct{ sum, n int64 }

var meanCodec = codec.Struct("mean", 1,
	codec.Field("sum", func(m *mean) *int64 { return &m.sum }, codec.Int[int64]()),
	codec.Field("n", func(m *mean) *int64 { return &m.n }, codec.Int[int64]()),
)

// job is a backend with a state of every kind.
type job struct {
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	count   state.ValueState[int64]
	order   state.ValueState[order]
	events  state.ListState[string]
	totals  state.MapState[string, int64]
	sum     state.ReducingState[int64]
	mean    state.AggregatingState[int64, float64]
	timers  *state.Timers[string]
}

// newJob returns a job on an empty hash backend.
func newJob(t testing.TB, space state.Keyspace) *job {
	b, err := heapstate.NewHash(state.Options{Keyspace: space})
	require.NoError(t, err)
	return declareJob(t, b)
}

// declareJob declares the states of a job.
func declareJob(t testing.TB, b *heapstate.Backend) *job {
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	j := &job{backend: b, keyed: k}
	j.count, err = state.ValueOf(k, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	j.order, err = state.ValueOf(k, state.ValueDescriptor[order]{Name: "order", Codec: orderCodec})
	require.NoError(t, err)
	j.events, err = state.ListOf(k, state.ListDescriptor[string]{Name: "events", Codec: codec.String[string]()})
	require.NoError(t, err)
	j.totals, err = state.MapOf(k, state.MapDescriptor[string, int64]{
		Name: "totals", Key: codec.String[string](), Value: codec.Int[int64]()})
	require.NoError(t, err)
	j.sum, err = state.ReducingOf(k, state.ReducingDescriptor[int64]{
		Name: "sum", Codec: codec.Int[int64](), Reduce: func(a, b int64) (int64, error) { return a + b, nil }})
	require.NoError(t, err)
	j.mean, err = state.AggregatingOf(k, state.AggregatingDescriptor[int64, mean, float64]{
		Name: "mean", Codec: meanCodec,
		Create: func() mean { return mean{} },
		Add:    func(m mean, v int64) (mean, error) { return mean{m.sum + v, m.n + 1}, nil },
		Merge:  func(m, n mean) (mean, error) { return mean{m.sum + n.sum, m.n + n.n}, nil },
		Result: func(m mean) (float64, error) { return float64(m.sum) / float64(m.n), nil }})
	require.NoError(t, err)
	j.timers, err = state.TimersOf(k, "timers")
	require.NoError(t, err)
	return j
}

// fillJob writes to every state of a job, for those of n users whose key groups the job owns. It
// must never change, because the golden fixtures depend on it.
func fillJob(t testing.TB, j *job, n int) {
	for i := range n {
		user := fmt.Sprintf("user\x00%02d", i)
		if err := j.keyed.SetKey(user); err != nil {
			require.ErrorIs(t, err, state.ErrKeyGroup)
			continue
		}
		for _, namespace := range []string{"", "window", "win\x00dow"} {
			j.setNamespace(t, namespace)
			i := int64(i + len(namespace))
			require.NoError(t, j.count.Set(i<<(i%60)))
			require.NoError(t, j.events.AddAll([]string{"login", fmt.Sprint("page ", i)}))
			require.NoError(t, j.sum.Add(i))
			require.NoError(t, j.sum.Add(-2*i))
			require.NoError(t, j.mean.Add(i*i))
			require.NoError(t, j.totals.PutAll(map[string]int64{"": i, "apples": -i, "pears\x00": i * i}))
			require.NoError(t, j.timers.Register(state.EventTime, i-3, []byte(namespace)))
			require.NoError(t, j.timers.Register(state.ProcessingTime, 1700000000000+i, []byte(namespace)))
		}
		j.setNamespace(t, "")
		o := order{user: user, paid: i%2 == 0, price: float64(i) / 8, at: time.Unix(1700000000, int64(i)).UTC()}
		if i%3 == 0 {
			next := int16(-i)
			o.items, o.notes, o.next = []uint32{1, uint32(i)}, map[string]string{"b": "", "a": user}, &next
		}
		require.NoError(t, j.order.Set(o))
	}
}

func (j *job) setNamespace(t testing.TB, namespace string) {
	for _, s := range []interface{ SetNamespace([]byte) error }{j.count, j.events, j.totals, j.sum, j.mean} {
		require.NoError(t, s.SetNamespace([]byte(namespace)))
	}
}

// addLongList adds a list of several chunks that compress well.
func addLongList(t testing.TB, j *job) {
	require.NoError(t, j.keyed.SetKey("long"))
	j.setNamespace(t, "")
	for _, word := range []string{"first ", "second", "third "} {
		require.NoError(t, j.events.Add(strings.Repeat(word, 100_000)))
	}
}

// rowsOf returns the rows of a view or a file in order, each as a line of text.
func rowsOf(t testing.TB, v interface {
	Keyspace() state.Keyspace
	Rows(group uint16, yield func(key, value []byte) error) error
}) []string {
	var rows []string
	groups := v.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		require.NoError(t, v.Rows(uint16(group), func(key, value []byte) error {
			rows = append(rows, line(key, value))
			return nil
		}))
	}
	return rows
}

func line(key, value []byte) string { return hex.EncodeToString(key) + " " + hex.EncodeToString(value) }

// content returns the rows of a backend, each as a line of text.
func content(t testing.TB, b snapshot.Backend) []string {
	v, err := b.View()
	require.NoError(t, err)
	defer v.Close()
	return rowsOf(t, v)
}

// fileOf returns a portable snapshot of a backend as the bytes of a file.
func fileOf(t testing.TB, b snapshot.Backend, id snapshot.Identity, c snapshot.Compression, s snapshot.Sizes) []byte {
	v, err := b.View()
	require.NoError(t, err)
	defer v.Close()
	var out bytes.Buffer
	require.NoError(t, snapshot.WriteView(&out, v, id, c, s))
	return out.Bytes()
}

// take takes a snapshot and waits for it.
func take(t testing.TB, b snapshot.Backend, to snapshot.Target, name string) snapshot.Handle {
	r, err := snapshot.Start(context.Background(), b, to, snapshot.Options{Name: name})
	require.NoError(t, err)
	h, err := r.Wait()
	require.NoError(t, err)
	return h
}

// restore restores handles into a new job.
func restore(t testing.TB, space state.Keyspace, from snapshot.Source, handles ...snapshot.Handle) *job {
	j := newJob(t, space)
	_, err := snapshot.Restore(context.Background(), j.backend, from, handles, snapshot.RestoreOptions{})
	require.NoError(t, err)
	return j
}

// restoreFile restores a file in memory into a new job.
func restoreFile(t testing.TB, space state.Keyspace, file []byte) (*job, error) {
	files := memory{"state": file}
	h, err := snapshot.ReadHandle(context.Background(), files, "state")
	if err != nil {
		return nil, err
	}
	j := newJob(t, space)
	_, err = snapshot.Restore(context.Background(), j.backend, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	return j, err
}

// readFile reads all rows of a file in memory.
func readFile(file []byte, yield func(key, value []byte) error) error {
	r, err := snapshot.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return err
	}
	defer r.Close()
	groups := r.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		if err := r.Rows(uint16(group), yield); err != nil {
			return err
		}
	}
	return nil
}

// ignore is a yield function that does nothing.
func ignore(_, _ []byte) error { return nil }
