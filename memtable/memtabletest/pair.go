package memtabletest

import (
	"io"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// tester is a *testing.T, or the *rapid.T of a random program.
type tester interface {
	require.TestingT
	Helper()
}

// pair is a table and its model. Both get the same operations, and results are compared.
type pair struct {
	t      tester
	budget *slab.Budget
	table  memtable.Table
	model  model

	// key and value are passed to the table and overwritten after each call, since the table
	// must have copied them.
	key, value []byte
	lookup     run.Lookup
}

func newPair(t tester, open opener) *pair {
	budget := slab.NewBudget(0)
	return &pair{t: t, budget: budget, table: open(memtable.Options{Budget: budget})}
}

// lookupKey returns the lookup key of a key. It is valid until the next call or overwrite.
func (p *pair) lookupKey(key string) *run.LookupKey {
	p.key = append(p.key[:0], key...)
	k := new(run.LookupKey)
	split.Prepare(k, p.key)
	return k
}

// overwrite changes the bytes that a table may have kept.
func (p *pair) overwrite() {
	for _, b := range [][]byte{p.key, p.value} {
		for i := range b {
			b[i] ^= 0x55
		}
	}
}

// write applies an operation to a key or, for DeletePrefix, to a prefix.
func (p *pair) write(key string, op run.Kind, value string) {
	p.value = append(p.value[:0], value...)
	switch k := p.lookupKey(key); op {
	case run.Set:
		p.table.Set(k, p.value)
	case run.Append:
		p.table.Append(k, p.value)
	case run.Delete:
		p.table.Delete(k)
	case run.DeletePrefix:
		p.table.DeletePrefix(k)
	}
	p.overwrite()
	p.model.write(key, op, value)
}

func (p *pair) deleteRange(r run.Range) {
	p.table.DeleteRange(r)
	p.model.ranges.Add(r)
}

// get compares the results of Get, MayHold and Hides for a key.
func (p *pair) get(key string) {
	p.t.Helper()
	want := p.model.get(position{key, 1})
	p.lookup.Reset()
	last := p.table.Get(p.lookupKey(key), &p.lookup)
	require.Equal(p.t, want.kind == run.Set || want.kind == run.Delete || p.model.hides(key), last, "Get(%.40q) decides", key)
	require.Equal(p.t, want.kind.HasValue(), p.lookup.Exists(), "%.40q has a value", key)
	require.Equal(p.t, int64(len(want.value)), p.lookup.Size(), "%.40q", key)
	got, err := p.lookup.AppendTo(nil)
	require.NoError(p.t, err)
	requireValue(p.t, want, got)

	p.mayHold(key)
	prefix := prefixOf(key)
	p.mayHold(prefix)
	hides := p.table.Hides(p.lookupKey(key))
	p.overwrite()
	require.True(p.t, hides || !p.model.hasTombstone(prefix), "Hides(%.40q) despite the prefix tombstone", prefix)
	require.True(p.t, !hides || p.model.mayHide(prefix), "Hides(%.40q) without a tombstone", prefix)
}

// mayHold compares the result of MayHold for a key.
func (p *pair) mayHold(key string) {
	p.t.Helper()
	may := p.table.MayHold(p.lookupKey(key))
	p.overwrite()
	require.True(p.t, may || !p.model.holds(key), "MayHold(%.40q) is false despite an entry", key)
	require.True(p.t, !may || p.model.mayHold(key), "MayHold(%.40q) is true without a row", key)
}

// requireValue does not print values, which may be long.
func requireValue(t tester, want row, got []byte) {
	t.Helper()
	if string(got) != want.value {
		require.Fail(t, "wrong value", "of %.40q: %d bytes, want %d", want.key, len(got), len(want.value))
	}
}

// requireEntry compares the current entry of an iterator.
func requireEntry(t tester, want row, e *run.Entry) {
	t.Helper()
	if want.key != string(e.Key) || want.kind != e.Kind || int64(len(want.value)) != e.Value.Size() {
		require.Fail(t, "wrong entry", "%s of %.40q, %d bytes; want %s of %.40q, %d bytes",
			e.Kind, e.Key, e.Value.Size(), want.kind, want.key, len(want.value))
	}
	got, err := io.ReadAll(e.Value.Reader())
	require.NoError(t, err)
	requireValue(t, want, got)
}

// requireRows moves an iterator up over the rows, to its end.
func requireRows(t tester, want []row, it run.Iterator) {
	t.Helper()
	for i, r := range want {
		require.True(t, it.Next(), "Next to entry %d of %d", i, len(want))
		requireEntry(t, r, it.Entry())
	}
	require.False(t, it.Next(), "Next after the end")
	require.False(t, it.Next(), "second Next after the end")
	require.NoError(t, it.Err())
}

// requireRowsBackward moves an iterator that has no bound above down over the rows, to the
// beginning.
func requireRowsBackward(t tester, want []row, it run.BackwardIterator) {
	t.Helper()
	ok := it.SeekBelow(nil)
	for _, r := range slices.Backward(want) {
		require.True(t, ok, "Prev to %.40q", r.key)
		requireEntry(t, r, it.Entry())
		ok = it.Prev()
	}
	require.False(t, ok, "Prev before the beginning")
	require.NoError(t, it.Err())
}

// scanPrefix iterates over a prefix of the live table, up and down. It returns the iterator for reuse.
func (p *pair) scanPrefix(prefix string, reuse run.Iterator) run.Iterator {
	p.t.Helper()
	it := p.table.Live(p.lookupKey(prefix), reuse)
	p.overwrite()
	rows := p.model.ofPrefix(prefix)
	requireRows(p.t, rows, it)
	requireRowsBackward(p.t, rows, it)
	return it
}

// end compares the whole table, before and after it is sealed, and closes it.
func (p *pair) end() {
	p.t.Helper()
	require.Equal(p.t, len(p.model.rows)+len(p.model.ranges), p.table.Len())
	require.Equal(p.t, p.model.ranges, p.table.Ranges())
	for _, r := range p.model.rows {
		p.get(r.key)
	}
	p.table.Seal()
	for _, r := range p.model.rows {
		p.get(r.key)
	}
	p.sealed(p.table.Iterator())
	p.close()
}

// sealed compares an iterator over all entries of the sealed table: up, down, and from some keys.
func (p *pair) sealed(it run.BackwardIterator) {
	p.t.Helper()
	rows := p.model.rows
	requireRows(p.t, rows, it)
	requireRowsBackward(p.t, rows, it)
	for i := 0; i < len(rows); i += 1 + len(rows)/50 {
		for _, key := range []string{rows[i].key, rows[i].key + "\x00", rows[i].key[:len(rows[i].key)/2]} {
			at := p.model.find(position{key, 0})
			require.Equal(p.t, at < len(rows), it.Seek([]byte(key)), "Seek(%.40q)", key)
			if at < len(rows) {
				requireEntry(p.t, rows[at], it.Entry())
			}
			require.Equal(p.t, at > 0, it.SeekBelow([]byte(key)), "SeekBelow(%.40q)", key)
			if at > 0 {
				requireEntry(p.t, rows[at-1], it.Entry())
			}
		}
	}
	require.NoError(p.t, it.Close())
}

// close closes the table, and requires that all memory was given back.
func (p *pair) close() {
	p.t.Helper()
	p.table.Close()
	require.Zero(p.t, p.budget.Used(), "bytes of the budget in use after Close")
	p.budget.Close()
}
