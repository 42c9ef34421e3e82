package memtabletest

import (
	"bytes"
	"slices"
	"sort"
	"strings"

	"github.com/weirstate/weir/run"
)

// split cuts keys after their first slash.
var split = run.Split{Name: "slash", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, '/'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// prefixOf is the prefix of a key.
func prefixOf(key string) string { return key[:split.Func([]byte(key))] }

// model is a run, kept as plainly as possible.
type model struct {
	entries map[string]modelEntry
	keys    []string        // of entries, in order
	hidden  map[string]bool // prefixes with a tombstone
	ranges  []run.Range
}

type modelEntry struct {
	kind  run.Kind
	value string
}

func newModel() *model {
	return &model{entries: map[string]modelEntry{}, hidden: map[string]bool{}}
}

// write does an operation on a key.
func (m *model) write(key string, op run.Kind, value string) {
	there, ok := m.entries[key]
	if i, _ := slices.BinarySearch(m.keys, key); !ok {
		m.keys = slices.Insert(m.keys, i, key)
	}
	if op == run.Append && there.kind.HasValue() {
		value = there.value + value
	}
	if op == run.Delete {
		value = ""
	}
	m.entries[key] = modelEntry{there.kind.Then(op), value}
}

func (m *model) deletePrefix(prefix string) {
	m.keys = slices.DeleteFunc(m.keys, func(key string) bool { return prefixOf(key) == prefix })
	for key := range m.entries {
		if prefixOf(key) == prefix {
			delete(m.entries, key)
		}
	}
	m.hidden[prefix] = true
}

// hides says whether a tombstone covers a key.
func (m *model) hides(key string) bool {
	return m.hidden[prefixOf(key)] ||
		slices.ContainsFunc(m.ranges, func(r run.Range) bool { return r.Contains([]byte(key)) })
}

// rows are entries as text, in order: of one prefix, or all.
func (m *model) rows(of func(key string) bool) (rows []row) {
	for key := range m.hidden {
		if of(key) {
			rows = append(rows, row{key, modelEntry{kind: run.DeletePrefix}})
		}
	}
	for key, e := range m.entries {
		if of(key) {
			rows = append(rows, row{key, e})
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		if c := strings.Compare(rows[i].key, rows[j].key); c != 0 {
			return c < 0
		}
		return rows[i].kind == run.DeletePrefix
	})
	return rows
}

func all(string) bool { return true }

// row is an entry of a run.
type row struct {
	key string
	modelEntry
}

// above says whether a row stands behind another.
func (r row) above(other row) bool {
	if r.key != other.key {
		return r.key > other.key
	}
	return r.kind != run.DeletePrefix && other.kind == run.DeletePrefix
}
