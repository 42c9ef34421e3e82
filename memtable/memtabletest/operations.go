package memtabletest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// algebra applies every sequence of four operations to a key, with values that fit into the space
// of the previous value and values that do not.
func algebra(t *testing.T, open opener) {
	steps := []struct {
		op    run.Kind
		value string
	}{
		{run.Set, ""}, {run.Set, "short"}, {run.Set, strings.Repeat("long", 100)},
		{run.Delete, ""},
		{run.Append, ""}, {run.Append, "more"}, {run.Append, strings.Repeat("much", 300)},
		{run.DeletePrefix, ""},
	}
	p := newPair(t, open)
	n := len(steps)
	for i := range n * n * n * n {
		key := fmt.Sprintf("%d", i)
		if i%2 == 0 {
			key += "/suffix"
		}
		for x := i; x > 0; x /= n {
			if s := steps[x%n]; s.op == run.DeletePrefix {
				p.write(prefixOf(key), s.op, "")
			} else {
				p.write(key, s.op, s.value)
			}
			p.get(key)
		}
	}
	p.end()
}

func prefixTombstones(t *testing.T, open opener) {
	p := newPair(t, open)
	keys := []string{"a", "a/", "a/1", "a/2", "ab/1", "b/1", "", "/", "/x"}
	for _, key := range keys {
		p.write(key, run.Set, "value of "+key)
	}
	for _, prefix := range []string{"a/", "b/", "a", "/", ""} {
		require.False(t, p.table.Hides(p.lookupKey(prefix)))
		p.write(prefix, run.DeletePrefix, "")
		require.True(t, p.table.Hides(p.lookupKey(prefix)), "%q", prefix)
		for _, key := range keys {
			p.get(key)
		}
	}
	require.True(t, p.table.Hides(p.lookupKey("a/1")), "a key with the prefix")
	require.False(t, p.table.Hides(p.lookupKey("ab/1")))
	n := p.table.Len()
	p.write("a/", run.DeletePrefix, "")
	require.Equal(t, n, p.table.Len(), "a second tombstone of a prefix changes nothing")
	for _, key := range keys { // write them again
		p.write(key, run.Append, "again")
		p.get(key)
	}
	p.scanPrefix("a/", nil)
	p.end()
}

func rangeTombstones(t *testing.T, open opener) {
	p := newPair(t, open)
	p.deleteRange(run.Range{From: []byte("b"), To: []byte("d/5")})
	p.deleteRange(run.Range{From: []byte("x"), To: nil})
	require.Equal(t, 2, p.table.Len())
	require.Len(t, p.table.Ranges(), 2)
	for _, c := range []struct {
		prefix string
		hidden bool
	}{{"a/", false}, {"b/", true}, {"b", true}, {"d/", false}, {"d", false}, {"e/", false}, {"x/", true}, {"z", true}} {
		require.Equal(t, c.hidden, p.table.Hides(p.lookupKey(c.prefix)), "%q", c.prefix)
	}
	for _, key := range []string{"a", "b", "c/1", "d/4", "d/5", "w", "x", "zz"} {
		p.get(key)
		p.write(key, run.Append, "x")
		p.get(key)
	}
	p.write("c/", run.DeletePrefix, "")
	p.get("c/1")
	p.end()
}

func valueSizes(t *testing.T, open opener) {
	p := newPair(t, open)
	var sizes []int
	for _, n := range []int{0, 8, 16, 100, 1 << 10, 4 << 10, 64 << 10, 128 << 10, int(memtable.MaxEntryBytes)} {
		sizes = append(sizes, max(0, n-17), max(0, n-16), max(0, n-1), n, n+1)
	}
	fill := func(n int) string { return strings.Repeat("0123456789abcde", n/15+1)[:n] }
	for _, n := range sizes {
		for _, key := range []string{fmt.Sprintf("%d", n), fmt.Sprintf("p/%d", n)} {
			n := min(n, int(memtable.MaxEntryBytes)-len(key))
			p.write(key, run.Set, fill(n))
			p.get(key)
			p.write("grows "+key, run.Set, "x")
			p.write("grows "+key, run.Append, fill(n-10*min(n/10, 1)))
			p.get("grows " + key)
		}
		key := fill(min(n, int(memtable.MaxEntryBytes))) // a long key
		p.write(key, run.Append, "")
		p.get(key)
	}
	for _, from := range sizes { // replace one size by another
		p.write("all", run.Set, fill(min(from, int(memtable.MaxEntryBytes)-3)))
		p.get("all")
		p.write("all", run.Set, fill(min(sizes[len(sizes)-1]-from, int(memtable.MaxEntryBytes)-3)))
		p.get("all")
	}
	p.end()
}

// aliases writes values that the table has returned: they are valid until, and for, the next write.
func aliases(t *testing.T, open opener) {
	p := newPair(t, open)
	for _, n := range []int{3, 100, 5000, 100_000} {
		value := strings.Repeat("v", n-1) + "!"
		p.write("from", run.Set, "s")
		p.write("from", run.Append, value)
		for _, key := range []string{"from", "other", "p/other", "from"} {
			var f run.Lookup
			p.table.Get(p.lookupKey("from"), &f)
			b, ok := f.Whole()
			if !ok {
				continue // in pieces
			}
			was := string(b)
			p.table.Set(p.lookupKey(key), b)
			p.model.write(key, run.Set, was)
			p.get(key)
			f.Reset()
			p.table.Get(p.lookupKey("from"), &f)
			if b, ok = f.Whole(); ok {
				was = string(b)
				p.table.Append(p.lookupKey(key), b)
				p.model.write(key, run.Append, was)
				p.get(key)
			}
		}
	}
	p.end()
}

// appends appends to values of three keys until they have several large chunks.
func appends(t *testing.T, open opener) {
	p := newPair(t, open)
	for i := range 3 {
		key := fmt.Sprintf("list/%d", i)
		for _, n := range []int{1, 7, 100, 3000, 70_000} {
			for j := range 3000 / (1 + n/100) {
				p.write(key, run.Append, strings.Repeat(string(rune('a'+j%26)), n))
				if j&(j-1) == 0 {
					p.get(key)
				}
			}
			p.get(key)
		}
		if i == 0 {
			p.write(key, run.Delete, "")
			p.get(key)
			p.write(key, run.Append, "again")
		}
	}
	p.scanPrefix("list/", nil)
	p.end()
}

// memory requires that an empty table takes little memory, that deleting and writing in turn does
// not take more and more, and that Close gives everything back.
func memory(t *testing.T, open opener) {
	p := newPair(t, open)
	p.write("a/b", run.Set, "value")
	p.write("b", run.Set, "value")
	require.LessOrEqual(t, p.table.Bytes(), int64(slab.Bytes))
	for range 1000 {
		p.write("b", run.Set, strings.Repeat("x", 2000))
		p.write("b", run.Set, "")
		for range 20 {
			p.write("c", run.Append, strings.Repeat("x", 100))
		}
		p.write("c", run.Delete, "")
		for i := range 100 {
			p.write(fmt.Sprintf("d/%02d", i), run.Set, "")
		}
		p.write("d/", run.DeletePrefix, "")
	}
	require.LessOrEqual(t, p.table.Bytes(), int64(slab.Bytes))
	for range 100 {
		for range 20 {
			p.write("e", run.Append, strings.Repeat("x", 5000))
		}
		p.write("e", run.Delete, "")
	}
	require.LessOrEqual(t, p.table.Bytes(), int64(2*slab.Bytes))
	for i := range 10_000 {
		p.write(fmt.Sprintf("%d", i), run.Set, strings.Repeat("v", 400))
	}
	require.Greater(t, p.table.Bytes(), int64(4_000_000))
	p.end()
}

func emptyTable(t *testing.T, open opener) {
	p := newPair(t, open)
	p.get("a")
	p.get("")
	p.scanPrefix("a", nil)
	require.LessOrEqual(t, p.table.Bytes(), int64(slab.Bytes))
	require.False(t, p.table.Hides(p.lookupKey("a/")))
	require.Empty(t, p.table.Ranges())
	p.end()
}
