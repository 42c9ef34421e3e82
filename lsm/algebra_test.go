package lsm

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
)

// algebraOps holds the operations of a case. The last two delete a prefix or range that contains the
// key.
var algebraOps = []run.Kind{run.Set, run.Delete, run.Append, run.DeletePrefix, opRange}

// algebraCase is a sequence of operations on one key. No other case uses its partition.
type algebraCase struct {
	partition string
	below     bool // level 2 has the key before the first operation
	ops       []run.Kind
}

func (c *algebraCase) key() []byte { return []byte(c.partition + "/k") }

// algebraCases returns all cases that call DeleteRange in exactly the steps whose bits are set in
// mask. Cases that are played together must agree in these steps, because DeleteRange seals the
// memtable. A case of two operations is a case of three whose first operation does nothing.
func algebraCases(mask int) (cases []algebraCase) {
	for n := range 6 * 5 * 5 {
		c := algebraCase{}
		rangeSteps := 0
		if first := n % 6; first < 5 {
			c.ops = append(c.ops, algebraOps[first])
		} else {
			c.ops = append(c.ops, 0)
		}
		c.ops = append(c.ops, algebraOps[n/6%5], algebraOps[n/30])
		for i, op := range c.ops {
			if op == opRange {
				rangeSteps |= 1 << i
			}
		}
		if rangeSteps != mask {
			continue
		}
		for _, c.below = range []bool{false, true} {
			c.partition = string([]byte{byte(len(cases)/26) + 'a', byte(len(cases)%26) + 'a'})
			cases = append(cases, c)
		}
	}
	return cases
}

// do performs the operation of one step.
func (c *algebraCase) do(t testing.TB, db *DB, step int) {
	var err error
	switch c.ops[step] {
	case run.Set:
		err = db.Put(c.key(), []byte{'S', byte('0' + step)})
	case run.Delete:
		err = db.Delete(c.key())
	case run.Append:
		err = db.Append(c.key(), []byte{'A', byte('0' + step)})
	case run.DeletePrefix:
		err = db.DeletePrefix([]byte(c.partition + "/"))
	case opRange:
		err = db.DeleteRange([]byte(c.partition), run.Successor([]byte(c.partition)))
	}
	require.NoError(t, err)
}

// value returns the value that the operations produce without older runs, and the kind of the
// combined entry: Set, Delete, Append, or 0 if there is no entry.
func (c *algebraCase) value() (value string, kind run.Kind) {
	for step, op := range c.ops {
		switch op {
		case run.Set:
			value, kind = fmt.Sprint("S", step), run.Set
		case run.Append:
			value += fmt.Sprint("A", step)
			if kind = run.Set; step == 0 || kindsOnly(c.ops[:step], 0, run.Append) {
				kind = run.Append
			}
		case run.Delete, run.DeletePrefix, opRange:
			value, kind = "", run.Delete
		}
	}
	return value, kind
}

// kindsOnly reports whether all operations are of the given kinds.
func kindsOnly(ops []run.Kind, kinds ...run.Kind) bool {
	for _, op := range ops {
		if op != kinds[0] && op != kinds[len(kinds)-1] {
			return false
		}
	}
	return true
}

// fixedDecision is a Filter that makes the same decision for every entry.
type fixedDecision Decision

func (v fixedDecision) Decide(batch []FilterEntry) {
	for i := range batch {
		batch[i].Decision, batch[i].NewValue = Decision(v), []byte("N")
	}
}

// want returns the value that a read must find, or "-" if it must not find the key. If filtered is
// set, a compaction has passed the combined entry of the operations, without the entry of level 2,
// to the filter.
func (c *algebraCase) want(filter Filter, filtered bool) string {
	value, kind := c.value()
	if v, ok := filter.(fixedDecision); ok && filtered && kind.HasValue() {
		switch {
		case Decision(v) == Replace:
			value = "N"
		case Decision(v) == Drop && kind == run.Set:
			kind = run.Delete
		case Decision(v) == Drop:
			value, kind = "", 0
		}
	}
	switch {
	case kind == run.Set, kind == run.Append && !c.below:
		return value
	case c.below && kind != run.Delete:
		return "below" + value
	}
	return "-"
}

// verify reads the key by Get and by a prefix iterator.
func (c *algebraCase) verify(t testing.TB, db *DB, where string, want string) {
	context := fmt.Sprintf("%s: %v below %v", where, c.ops, c.below)
	got, found, err := db.Get(c.key(), nil)
	require.NoError(t, err)
	require.Equal(t, want != "-", found, context)
	if found {
		require.Equal(t, want, string(got), context)
	}
	cursor, err := db.Prefix([]byte(c.partition + "/"))
	require.NoError(t, err)
	require.Equal(t, found, cursor.Next(), context)
	if found {
		got, err = cursor.Value()
		require.NoError(t, err)
		require.Equal(t, want, string(got), context)
	}
	require.NoError(t, cursor.Close())
}

// verifyAll verifies each case, and reads all keys by one iterator.
func verifyAll(t testing.TB, db *DB, where string, cases []algebraCase, want func(*algebraCase) string) {
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	for i := range cases {
		c, expected := &cases[i], want(&cases[i])
		c.verify(t, db, where, expected)
		if expected != "-" {
			require.True(t, it.Next(), where)
			require.Equal(t, c.key(), it.Key(), where)
			value, err := it.Value()
			require.NoError(t, err)
			require.Equal(t, expected, string(value), where)
		}
	}
	require.False(t, it.Next(), where)
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
}

// The test tries every sequence of two and three operations, with every choice of seals between them,
// with and without an older run that has the key. It reads the entries from memtables, from tables of
// level 0, after a compaction within level 0 and into level 1, and after Compact.
func TestOperationsOnAKeyCombineInTheSameWayInAnyRuns(t *testing.T) {
	filters := []Filter{nil, fixedDecision(Keep), fixedDecision(Drop), fixedDecision(Replace)}
	for mask := range 8 {
		cases := algebraCases(mask)
		for cuts := range 4 {
			for _, filter := range filters {
				for _, to := range []int{0, 1} {
					playAlgebra(t, cases, cuts, filter, to)
				}
			}
		}
	}
}

// playAlgebra performs all cases in one store, step by step. It seals the memtable after step i if bit
// i of cuts is set.
func playAlgebra(t *testing.T, cases []algebraCase, cuts int, filter Filter, to int) {
	db := memoryStore(t, Options{Split: modelSplits[2], PartitionBytes: 2, Picker: idle{}, Filter: filter})
	for i := range cases {
		if c := &cases[i]; c.below {
			require.NoError(t, db.Put(c.key(), []byte("below")))
		}
	}
	require.NoError(t, db.Put([]byte("~~"), nil)) // the flush needs at least one entry
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	require.NoError(t, db.Delete([]byte("~~")))
	for step := range 3 {
		for i := range cases {
			cases[i].do(t, db, step)
		}
		if cuts>>step&1 == 1 {
			require.NoError(t, db.Seal())
		}
	}
	where := fmt.Sprintf("cuts %b, filter %v, to %d: ", cuts, filter, to)
	before := func(c *algebraCase) string { return c.want(filter, false) }
	for i := range cases {
		cases[i].verify(t, db, where+"active", before(&cases[i]))
	}
	verifyAll(t, db, where+"sealed", cases, before)
	flushed(t, db)
	verifyAll(t, db, where+"flushed", cases, before)
	rewritten := to == 0 || len(treeOf(db).Levels[0]) > 1 // otherwise the table was moved to level 1 and not passed to the filter
	compactLevels(t, db, to, 0)
	after := func(c *algebraCase) string { return c.want(filter, rewritten) }
	verifyAll(t, db, where+"compacted", cases, after)
	if filter == nil {
		require.NoError(t, db.Compact(context.Background()))
		verifyAll(t, db, where+"in one run", cases, before)
		for _, f := range treeOf(db).Levels[2] {
			info := f.Table.Info()
			require.Zero(t, info.Deletes+info.Appends+info.Tombstones+int64(len(f.Table.Ranges())), "the lowest run has only set entries")
		}
	}
	require.NoError(t, db.Close())
}
