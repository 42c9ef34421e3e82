package lsm

import (
	"bytes"
	"fmt"

	"github.com/google/btree"

	"github.com/weirstate/weir/run"
)

// modelState is the content of a store as a sorted map of whole values. Cloning is copy-on-write and
// cheap, so a test can keep the state after each operation.
type modelState struct {
	rows *btree.BTreeG[modelRow]
}

type modelRow struct{ key, value string }

func newModelState() *modelState {
	return &modelState{btree.NewG(16, func(a, b modelRow) bool { return a.key < b.key })}
}

func (m *modelState) clone() *modelState { return &modelState{m.rows.Clone()} }

func (m *modelState) get(key string) (value string, ok bool) {
	r, ok := m.rows.Get(modelRow{key: key})
	return r.value, ok
}

func (m *modelState) put(key, value string) { m.rows.ReplaceOrInsert(modelRow{key, value}) }

func (m *modelState) delete(key string) { m.rows.Delete(modelRow{key: key}) }

func (m *modelState) add(key, value string) {
	old, _ := m.get(key)
	m.put(key, old+value)
}

// apply applies op to the state.
func (m *modelState) apply(split Split, op modelOp) {
	switch op.kind {
	case run.Set:
		m.put(op.key, op.value)
	case run.Delete:
		m.delete(op.key)
	case run.Append:
		m.add(op.key, op.value)
	case run.DeletePrefix:
		m.deleteAll(m.within(op.key, nil, func(key string) bool { return modelPrefix(split, key) == op.key }))
	}
}

// modelOp is an operation on a key or prefix.
type modelOp struct {
	kind       run.Kind
	key, value string
}

func (o modelOp) size() int64 { return int64(len(o.key)) + int64(len(o.value)) }

func (o modelOp) String() string {
	return fmt.Sprintf("%v %q %s", o.kind, o.key, abridged(o.value))
}

// abridged quotes a value for a message; it cuts values of more than 40 bytes.
func abridged(value string) string {
	if len(value) <= 40 {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q... of %d bytes", value[:16], len(value))
}

func modelPrefix(split Split, key string) string { return key[:split.Func([]byte(key))] }

func (m *modelState) deleteAll(rows []modelRow) {
	for _, r := range rows {
		m.delete(r.key)
	}
}

// within returns the rows in [from, to) for which matches returns true. A nil to means no end; a nil
// matches selects all rows.
func (m *modelState) within(from string, to *string, matches func(key string) bool) (rows []modelRow) {
	m.rows.AscendGreaterOrEqual(modelRow{key: from}, func(r modelRow) bool {
		if to != nil && r.key >= *to {
			return false
		}
		if matches == nil || matches(r.key) {
			rows = append(rows, r)
		}
		return true
	})
	return rows
}

// next returns the first row with a key >= from.
func (m *modelState) next(from string) (row modelRow, ok bool) {
	m.rows.AscendGreaterOrEqual(modelRow{key: from}, func(r modelRow) bool {
		row, ok = r, true
		return false
	})
	return row, ok
}

// floor returns the last row with a key <= key that has the same prefix.
func (m *modelState) floor(split Split, key string) (row modelRow, ok bool) {
	m.rows.DescendLessOrEqual(modelRow{key: key}, func(r modelRow) bool {
		row, ok = r, modelPrefix(split, r.key) == modelPrefix(split, key)
		return false
	})
	if !ok {
		return modelRow{}, false
	}
	return row, ok
}

func (m *modelState) all() []modelRow { return m.within("", nil, nil) }

// difference describes the first difference between got and the state; it returns "" if they are
// equal.
func (m *modelState) difference(got []modelRow) string {
	want := m.all()
	for i := range max(len(want), len(got)) {
		switch {
		case i == len(want):
			return fmt.Sprintf("row %q = %s follows the last of %d expected rows", got[i].key, abridged(got[i].value), len(want))
		case i == len(got):
			return fmt.Sprintf("%q = %s is missing, and %d more", want[i].key, abridged(want[i].value), len(want)-i-1)
		case got[i] != want[i]:
			return fmt.Sprintf("%q = %s instead of %q = %s", got[i].key, abridged(got[i].value), want[i].key, abridged(want[i].value))
		}
	}
	return ""
}

// modelSplits are the split functions: whole keys, prefixes of a fixed length, and prefixes that end
// with a slash. With the last function, "a" and "a/" are different prefixes, and key "ab" has the
// prefix "ab", not "a".
var modelSplits = []Split{
	WholeKey,
	{Name: "three", Func: func(key []byte) int { return min(3, len(key)) }},
	{Name: "slash", Func: func(key []byte) int {
		if i := bytes.IndexByte(key, '/'); i >= 0 {
			return i + 1
		}
		return len(key)
	}},
}
