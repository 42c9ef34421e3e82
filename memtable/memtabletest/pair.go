package memtabletest

import (
	"bytes"
	"io"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// pair is a table and the model of it, to which the same is done.
type pair struct {
	t      *testing.T
	budget *slab.Budget
	table  memtable.Table
	model  *model

	buffer []byte // of keys; overwritten after each call
	value  []byte // the same for values
	lookup run.Lookup
}

func newPair(t *testing.T, open func(memtable.Options) memtable.Table) *pair {
	budget := slab.NewBudget(0)
	return &pair{t: t, budget: budget, table: open(memtable.Options{Budget: budget}), model: newModel()}
}

// lookupKey is good until the next call.
func (p *pair) lookupKey(key string) *run.LookupKey {
	p.buffer = append(p.buffer[:0], key...)
	var lookupKey run.LookupKey
	split.Prepare(&lookupKey, p.buffer)
	return &lookupKey
}

// spoil overwrites what a table might have kept.
func (p *pair) spoil() {
	for _, b := range [][]byte{p.buffer, p.value} {
		for i := range b {
			b[i] ^= 0x55
		}
	}
}

// write does an operation on both.
func (p *pair) write(key string, op run.Kind, value string) {
	p.value = append(p.value[:0], value...)
	switch lookupKey := p.lookupKey(key); op {
	case run.Set:
		p.table.Set(lookupKey, p.value)
	case run.Append:
		p.table.Append(lookupKey, p.value)
	case run.Delete:
		p.table.Delete(lookupKey)
	case run.DeletePrefix:
		p.table.DeletePrefix(lookupKey)
		p.model.deletePrefix(key)
	}
	if op != run.DeletePrefix {
		p.model.write(key, op, value)
	}
	p.spoil()
}

func (p *pair) deleteRange(r run.Range) {
	p.table.DeleteRange(r)
	p.model.ranges = append(p.model.ranges, r)
}

// get compares what both say of a key.
func (p *pair) get(key string) {
	p.t.Helper()
	compareGet(p.t, p.table, p.model, p.lookupKey(key), &p.lookup)
	p.spoil()
}

// compareGet compares a table with a model, neither of which changes.
func compareGet(t *testing.T, table memtable.Table, m *model, lookupKey *run.LookupKey, f *run.Lookup) {
	t.Helper()
	key := string(lookupKey.Key)
	want := m.entries[key]
	f.Reset()
	last := table.Get(lookupKey, f)
	require.Equal(t, want.kind == run.Set || want.kind == run.Delete || m.hides(key), last, "last word on %q", key)
	require.Equal(t, want.kind.HasValue(), f.Exists(), "%q", key)
	require.Equal(t, int64(len(want.value)), f.Size(), "%q", key)
	got, err := f.AppendTo(nil)
	require.NoError(t, err)
	if string(got) != want.value { // values may be long
		require.Fail(t, "another value", "of %q, %d bytes", key, len(got))
	}
}

// live walks a prefix to its end.
func (p *pair) live(prefix string, reuse run.Iterator) run.Iterator {
	p.t.Helper()
	it := p.table.Live(p.lookupKey(prefix), reuse)
	p.spoil()
	rows := p.model.rows(func(key string) bool { return prefixOf(key) == prefix })
	compareRows(p.t, rows, it)
	p.backward(rows, it)
	return it
}

// backward walks rows from the last to the first, and from some keys.
func (p *pair) backward(rows []row, it run.BackwardIterator) {
	p.t.Helper()
	n := len(rows)
	compareBackward(p.t, rows, it.SeekBelow(nil), it)
	for i := 0; i < n; i += 1 + n/20 {
		for _, key := range []string{rows[i].key, rows[i].key + "\x00", rows[i].key[:len(rows[i].key)/2]} {
			below := sort.Search(n, func(i int) bool { return rows[i].key >= key })
			from := max(below-100, 0)
			p.buffer = append(p.buffer[:0], key...)
			ok := it.SeekBelow(p.buffer)
			p.spoil()
			require.Equal(p.t, below > 0, ok)
			if from == 0 {
				compareBackward(p.t, rows[:below], ok, it)
			} else {
				compareSomeBackward(p.t, rows[from:below], it)
			}
		}
	}
}

// compareBackward expects rows, the last one first, from where an iterator stands if ok.
func compareBackward(t *testing.T, want []row, ok bool, it run.BackwardIterator) {
	t.Helper()
	require.Equal(t, len(want) > 0, ok)
	if ok {
		compareSomeBackward(t, want, it)
		require.False(t, it.Prev())
	}
	require.NoError(t, it.Err())
}

func compareSomeBackward(t *testing.T, want []row, it run.BackwardIterator) {
	t.Helper()
	for i, w := range slices.Backward(want) {
		requireRow(t, w, it.Entry())
		if i > 0 {
			require.True(t, it.Prev(), "before %q", w.key)
		}
	}
}

// compareRows expects rows from where an iterator stands.
func compareRows(t *testing.T, want []row, it run.Iterator) {
	t.Helper()
	for i, w := range want {
		require.True(t, it.Next(), "%d of %d", i, len(want))
		requireRow(t, w, it.Entry())
	}
	require.False(t, it.Next(), "after %d", len(want))
	require.False(t, it.Next())
	require.NoError(t, it.Err())
}

func requireRow(t *testing.T, want row, e *run.Entry) {
	t.Helper()
	require.Equal(t, want.key, string(e.Key))
	require.Equal(t, want.kind, e.Kind, "%q", want.key)
	require.Equal(t, int64(len(want.value)), e.Value.Size(), "%q", want.key)
	got, err := io.ReadAll(e.Value.Reader())
	require.NoError(t, err)
	if string(got) != want.value {
		require.Fail(t, "another value", "of %q, %d bytes", want.key, len(got))
	}
}

// all compares everything, before the seal and after it, and releases the table.
func (p *pair) all() {
	p.t.Helper()
	for key := range p.model.entries {
		p.get(key)
	}
	require.Equal(p.t, len(p.model.rows(all))+len(p.table.Ranges()), p.table.Len())
	p.table.Seal()
	for key := range p.model.entries {
		p.get(key)
	}
	p.sealed(p.table.Iterator())
	p.release()
}

// sealed compares the iteration of a sealed table, and some seeks.
func (p *pair) sealed(it run.BackwardIterator) {
	p.t.Helper()
	rows := p.model.rows(all)
	compareRows(p.t, rows, it)
	for i := 0; i < len(rows); i += 1 + len(rows)/50 {
		first := i // the tombstone of the same key comes first
		if i > 0 && rows[i-1].key == rows[i].key {
			first--
		}
		require.True(p.t, it.Seek([]byte(rows[i].key)))
		compareFrom(p.t, rows[first:min(first+3, len(rows))], it)
		if it.Seek([]byte(rows[i].key + "\x00")) {
			require.Positive(p.t, bytes.Compare(it.Entry().Key, []byte(rows[i].key)))
		}
	}
	require.Equal(p.t, len(rows) > 0, it.Seek(nil))
	compareFrom(p.t, rows, it)
	require.False(p.t, it.Next())
	p.backward(rows, it)
	require.NoError(p.t, it.Close())
}

// compareFrom expects rows from the entry on which an iterator stands.
func compareFrom(t *testing.T, want []row, it run.Iterator) {
	t.Helper()
	for i, w := range want {
		if i > 0 {
			require.True(t, it.Next())
		}
		requireRow(t, w, it.Entry())
	}
}

// release gives the memory back, all of it.
func (p *pair) release() {
	p.t.Helper()
	p.table.Close()
	require.Zero(p.t, p.budget.Used())
	p.budget.Close()
}
