package lsm

import (
	"bytes"
	"fmt"

	"github.com/google/btree"

	"github.com/weirstate/weir/run"
)

// modelState is what a store holds, as a sorted map of whole values. Its clones
// cost nothing, so that there can be one for each moment.
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

// apply does an operation of a batch or alone.
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

// modelOp is an operation on a key.
type modelOp struct {
	kind       run.Kind
	key, value string
}

func (o modelOp) size() int64 { return int64(len(o.key)) + int64(len(o.value)) }

func (o modelOp) String() string {
	return fmt.Sprintf("%v %q %s", o.kind, o.key, abridged(o.value))
}

// abridged is a value as a message has it.
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

// within are the rows from a key to another, excluded, nil for the end; of, if
// there is one, chooses among them.
func (m *modelState) within(from string, to *string, of func(key string) bool) (rows []modelRow) {
	m.rows.AscendGreaterOrEqual(modelRow{key: from}, func(r modelRow) bool {
		if to != nil && r.key >= *to {
			return false
		}
		if of == nil || of(r.key) {
			rows = append(rows, r)
		}
		return true
	})
	return rows
}

// next is the first row from a key on.
func (m *modelState) next(from string) (row modelRow, ok bool) {
	m.rows.AscendGreaterOrEqual(modelRow{key: from}, func(r modelRow) bool {
		row, ok = r, true
		return false
	})
	return row, ok
}

// floor is the last row up to a key that has its prefix.
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

// difference says where rows that were read are others than those here, "" if
// they are not.
func (m *modelState) difference(got []modelRow) string {
	want := m.all()
	for i := range max(len(want), len(got)) {
		switch {
		case i == len(want):
			return fmt.Sprintf("there is %q = %s beyond the last of %d rows", got[i].key, abridged(got[i].value), len(want))
		case i == len(got):
			return fmt.Sprintf("%q = %s is missing, and %d more", want[i].key, abridged(want[i].value), len(want)-i-1)
		case got[i] != want[i]:
			return fmt.Sprintf("%q = %s instead of %q = %s", got[i].key, abridged(got[i].value), want[i].key, abridged(want[i].value))
		}
	}
	return ""
}

// The split functions: keys that stand alone, prefixes of a fixed length, and
// prefixes that end with a slash. Under the last one "a" and "a/" are prefixes,
// and "ab" begins with the first and does not belong to it.
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
