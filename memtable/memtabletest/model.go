package memtabletest

import (
	"bytes"
	"cmp"
	"slices"
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

// prefixOf returns the prefix of a key.
func prefixOf(key string) string { return key[:split.Func([]byte(key))] }

// position is a position in a run: before the prefix tombstone of the key (rank 0), before the
// entry of the key (1), or after it (2).
type position struct {
	key  string
	rank int
}

// row is an entry of a run.
type row struct {
	key   string
	kind  run.Kind
	value string
}

// position returns the position before the row.
func (r row) position() position {
	if r.kind == run.DeletePrefix {
		return position{r.key, 0}
	}
	return position{r.key, 1}
}

// after returns the position after the row.
func (r row) after() position { return position{r.key, r.position().rank + 1} }

// model is a run: its rows in order, and its range tombstones.
type model struct {
	rows   []row
	ranges run.Ranges
}

// find returns the index of the first row at or after a position.
func (m *model) find(at position) int {
	i, _ := slices.BinarySearchFunc(m.rows, at, func(r row, at position) int {
		p := r.position()
		return cmp.Or(strings.Compare(p.key, at.key), cmp.Compare(p.rank, at.rank))
	})
	return i
}

// get returns the row at a position. Its kind is 0 if no row is there.
func (m *model) get(at position) row {
	if i := m.find(at); i < len(m.rows) && m.rows[i].position() == at {
		return m.rows[i]
	}
	return row{key: at.key}
}

// set adds a row, or replaces the row at its position.
func (m *model) set(r row) {
	i := m.find(r.position())
	if m.get(r.position()).kind == 0 {
		m.rows = slices.Insert(m.rows, i, r)
	} else {
		m.rows[i] = r
	}
}

// write applies an operation on a key or, for DeletePrefix, a prefix.
func (m *model) write(key string, op run.Kind, value string) {
	old := m.get(position{key, 1})
	switch op {
	case run.DeletePrefix:
		m.rows = slices.DeleteFunc(m.rows, func(r row) bool { return prefixOf(r.key) == key })
		m.set(row{key: key, kind: op})
		return
	case run.Append:
		value = old.value + value
	case run.Delete:
		value = ""
	}
	m.set(row{key, old.kind.Then(op), value})
}

// hasTombstone reports whether a prefix has a tombstone.
func (m *model) hasTombstone(prefix string) bool { return m.get(position{prefix, 0}).kind != 0 }

// mayHide reports whether the tombstones cover all keys of a prefix, so that Hides may be true.
func (m *model) mayHide(prefix string) bool {
	keys := run.Range{From: []byte(prefix), To: []byte(prefix + "\x00")} // a prefix without slash is one key
	if strings.HasSuffix(prefix, "/") {
		keys = run.PrefixRange([]byte(prefix))
	}
	return m.hasTombstone(prefix) || slices.ContainsFunc(m.ranges, func(r run.Range) bool { return r.Includes(keys) })
}

// holds reports whether a key, or a longer key whose prefix it is, has an entry.
func (m *model) holds(key string) bool {
	return m.get(position{key, 1}).kind != 0 || prefixOf(key) == key &&
		slices.ContainsFunc(m.ofPrefix(key), func(r row) bool { return r.kind != run.DeletePrefix })
}

// mayHold reports whether a row begins with a key, so that MayHold may be true.
func (m *model) mayHold(key string) bool {
	i := m.find(position{key, 0})
	return i < len(m.rows) && strings.HasPrefix(m.rows[i].key, key)
}

// hides reports whether a tombstone hides a key in older runs.
func (m *model) hides(key string) bool {
	return m.hasTombstone(prefixOf(key)) || m.ranges.Covers([]byte(key))
}

// ofPrefix returns the rows of a prefix, in order.
func (m *model) ofPrefix(prefix string) (rows []row) {
	for _, r := range m.rows[m.find(position{prefix, 0}):] {
		switch {
		case !strings.HasPrefix(r.key, prefix):
			return rows
		case prefixOf(r.key) == prefix:
			rows = append(rows, r)
		}
	}
	return rows
}
