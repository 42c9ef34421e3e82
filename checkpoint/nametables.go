package checkpoint

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// nameTables holds the name tables of a checkpoint as metadata stores them: each distinct table
// once, in the order in which handles first refer to it. A name table lists the states of a
// backend. The subtasks of an operator have equal tables, and the table is the largest part of
// a handle, so that storing it once keeps metadata small at high parallelism:
//
//	handles   counts-0  counts-1  counts-2   totals-0  totals-1
//	              \        |        /            \       /
//	tables         0: count, timers              1: total
//
// Handles decoded from the same metadata share the tables in memory as well.
type nameTables struct {
	encoded [][]byte
	numbers map[string]int           // number of a table by its encoding
	of      map[*snapshot.Handle]int // number of the table of each handle
}

// tablesOf collects the name tables of the parts.
func tablesOf(parts iter.Seq[Part]) *nameTables {
	t := &nameTables{numbers: make(map[string]int), of: make(map[*snapshot.Handle]int)}
	var before *snapshot.Handle
	var w writer
	for part := range parts {
		h := part.Handle
		if h == nil {
			continue
		}
		if before != nil && sameTable(before.States, h.States) {
			t.of[h] = t.of[before]
		} else {
			w.out = w.out[:0]
			w.table(h.States)
			t.of[h] = t.number(w.out)
		}
		before = h
	}
	return t
}

// number returns the number of an encoded table, and adds it if it is new.
func (t *nameTables) number(encoded []byte) int {
	n, ok := t.numbers[string(encoded)]
	if !ok {
		n = len(t.encoded)
		t.numbers[string(encoded)] = n
		t.encoded = append(t.encoded, bytes.Clone(encoded))
	}
	return n
}

// sameTable reports whether two tables are the same slice.
func sameTable(a, b []backend.Info) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// nameTables decodes the name tables of the metadata.
func (d *decoder) nameTables() {
	if d.version < tablesVersion {
		return
	}
	seen := make(map[string]bool)
	for n := d.count(1); n > 0 && d.Err == nil; n-- {
		before := d.Rest
		table := d.table()
		encoded := before[:len(before)-len(d.Rest)]
		if d.Err == nil && seen[string(encoded)] {
			d.Fail("two equal name tables")
		}
		seen[string(encoded)] = true
		d.tables = append(d.tables, slices.Clip(table))
		d.checkStructure()
	}
}

// handleTable decodes the name table of a handle: the number of the table, or before
// tablesVersion the whole table.
func (d *decoder) handleTable() []backend.Info {
	if d.version < tablesVersion {
		return d.table()
	}
	n := int(d.Uvarint(maxStructureBytes))
	switch {
	case d.Err != nil:
	case n > d.tablesUsed || n >= len(d.tables):
		d.Fail(fmt.Sprintf("name table %d of %d, handles so far use the first %d", n, len(d.tables), d.tablesUsed))
	default:
		d.tablesUsed = max(d.tablesUsed, n+1)
		return d.tables[n]
	}
	return nil
}

// table decodes a name table.
func (d *decoder) table() (states []backend.Info) {
	n := d.count(minStateBytes)
	if n > maxStates {
		d.Fail("too many states")
		return nil
	}
	states = slices.Grow(states, n)
	for ; n > 0 && d.Err == nil; n-- {
		states = append(states, d.state())
	}
	return states
}
