package merge

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/run"
)

// firstByte is the split function of these tests: the prefix is the first byte of a key.
var firstByte = run.Split{Name: "first-byte", Func: func(key []byte) int { return min(len(key), 1) }}

// testRun is a run in memory: sorted entries, and range tombstones.
type testRun struct {
	entries []run.Entry
	ranges  run.Ranges
}

// hides is the definition of Source.Hides.
func (r *testRun) hides(prefix []byte) bool {
	return r.ranges.CoversPrefix(prefix) || slices.ContainsFunc(r.entries, func(e run.Entry) bool {
		return e.Kind == run.DeletePrefix && bytes.Equal(e.Key, prefix)
	})
}

// source returns the run as a source of a merger.
func (r *testRun) source() Source {
	return Source{
		Iterator: &sliceIterator{entries: r.entries, at: -1}, Ranges: r.ranges,
		Hides: func(p *run.LookupKey) (bool, error) { return r.hides(p.Prefix()), nil },
	}
}

// sliceIterator is a run.BackwardIterator over a sorted slice.
type sliceIterator struct {
	entries []run.Entry
	at      int
}

func (s *sliceIterator) valid() bool { return 0 <= s.at && s.at < len(s.entries) }

// Seek implements run.Iterator.
func (s *sliceIterator) Seek(key []byte) bool {
	s.at = 0
	for s.valid() && bytes.Compare(s.entries[s.at].Key, key) < 0 {
		s.at++
	}
	return s.valid()
}

// SeekBelow implements run.BackwardIterator.
func (s *sliceIterator) SeekBelow(key []byte) bool {
	s.at = len(s.entries) - 1
	for s.valid() && key != nil && bytes.Compare(s.entries[s.at].Key, key) >= 0 {
		s.at--
	}
	return s.valid()
}

// Next implements run.Iterator.
func (s *sliceIterator) Next() bool { s.at++; return s.valid() }

// Prev implements run.BackwardIterator.
func (s *sliceIterator) Prev() bool { s.at--; return s.valid() }

// Entry implements run.Iterator.
func (s *sliceIterator) Entry() *run.Entry { return &s.entries[s.at] }

// Err implements run.Iterator.
func (s *sliceIterator) Err() error { return nil }

// Close implements run.Iterator.
func (s *sliceIterator) Close() error { return nil }

// merged is an entry that a merger returned.
type merged struct {
	key   string
	kind  run.Kind
	value string
}

// combine is the definition of a merge at one key: it returns the entry of the key; kind 0 means
// that no run has a visible one. Runs are ordered from the newest to the oldest.
func combine(runs []testRun, key string) (m merged) {
	m.key = key
	prefix := []byte(key)[:firstByte.Func([]byte(key))]
	for i, r := range runs {
		for _, e := range r.entries {
			switch {
			case string(e.Key) != key || e.Kind == run.DeletePrefix:
			case e.Kind == run.Delete && m.kind == 0:
				m.kind = run.Delete
			case e.Kind == run.Delete: // the appends of newer runs begin a new value
				m.kind = run.Set
			default:
				m.kind, m.value = e.Kind, string(e.Value.Bytes)+m.value
			}
		}
		if m.kind == run.Set || m.kind == run.Delete {
			return m
		}
		if r.ranges.Covers([]byte(key)) || r.hides(prefix) {
			// Under the oldest run an append stays one: the tombstone, which is returned as well,
			// hides what lies below the merge.
			if m.kind == run.Append && i < len(runs)-1 {
				m.kind = run.Set
			}
			return m
		}
	}
	return m
}

// tombstone is the definition of a merge at a prefix tombstone. It reports whether a run has one
// that no newer run hides.
func tombstone(runs []testRun, prefix string) bool {
	for _, r := range runs {
		if slices.ContainsFunc(r.entries, func(e run.Entry) bool { return e.Kind == run.DeletePrefix && string(e.Key) == prefix }) {
			return true
		}
		if r.ranges.Covers([]byte(prefix)) {
			return false
		}
	}
	return false
}

// expected returns all entries that a merge must return, in order.
func expected(runs []testRun) []merged {
	want := []merged{}
	keys := make(map[string]bool)
	for _, r := range runs {
		for _, e := range r.entries {
			keys[string(e.Key)] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if tombstone(runs, key) {
			want = append(want, merged{key: key, kind: run.DeletePrefix})
		}
		if m := combine(runs, key); m.kind != 0 {
			want = append(want, m)
		}
	}
	return want
}

func drawKey(t *rapid.T, label string) []byte {
	return []byte(rapid.StringMatching(`[ab](xxxxxxxx)?[abc]{0,2}`).Draw(t, label))
}

// drawRun returns a run whose values name the run, so that their order shows in joined values.
func drawRun(t *rapid.T, name byte) (r testRun) {
	entries := make(map[string]run.Entry)
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		key := drawKey(t, "key")
		e := run.Entry{Key: key, Kind: rapid.SampledFrom([]run.Kind{run.Set, run.Delete, run.Append, run.DeletePrefix}).Draw(t, "kind")}
		order := string(key) + "\x01"
		if e.Kind == run.DeletePrefix {
			e.Key = key[:1]
			order = string(e.Key) + "\x00"
		}
		if e.Kind.HasValue() {
			e.Value.Bytes = []byte{name}
		}
		entries[order] = e
	}
	for _, order := range slices.Sorted(maps.Keys(entries)) {
		r.entries = append(r.entries, entries[order])
	}
	for range rapid.IntRange(0, 2).Draw(t, "ranges") {
		bound := rapid.SampledFrom([]string{"", "a", "b", "c"}) // ranges do not divide a prefix
		r.ranges.Add(run.Range{From: []byte(bound.Draw(t, "from")), To: []byte(bound.Draw(t, "to"))})
	}
	return r
}

func TestMergerCombinesRunsByTheAlgebraOfEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []testRun
		for i := range rapid.IntRange(1, 5).Draw(t, "runs") {
			runs = append(runs, drawRun(t, byte('0'+i)))
		}
		var sources []Source
		for i := range runs {
			sources = append(sources, runs[i].source())
		}
		var m Merger
		m.Reset(&firstByte, nil, sources)
		want := expected(runs)

		from := drawKey(t, "seek")
		for _, from := range [][]byte{nil, from} {
			m.Seek(from)
			rest := slices.DeleteFunc(slices.Clone(want), func(e merged) bool { return e.key < string(from) })
			require.Equal(t, rest, forward(t, &m), "from %q", from)
		}
		values := slices.DeleteFunc(want, func(e merged) bool { return !e.kind.HasValue() })
		slices.Reverse(values)
		for _, below := range [][]byte{nil, from} {
			m.SeekBelow(below)
			rest := slices.DeleteFunc(slices.Clone(values), func(e merged) bool { return below != nil && e.key >= string(below) })
			require.Equal(t, len(rest), len(requireBackward(t, &m, rest)), "below %q", below)
		}
		require.NoError(t, m.Close())
	})
}

// forward returns the entries from the merger's position to the end.
func forward(t *rapid.T, m *Merger) []merged {
	got := []merged{}
	for m.Next() {
		e := merged{key: string(m.Key), kind: m.Kind}
		if m.Kind.HasValue() {
			value, err := m.Value().AppendTo(nil)
			require.NoError(t, err)
			e.value = string(value)
		}
		got = append(got, e)
	}
	require.NoError(t, m.Err)
	return got
}

// requireBackward requires the wanted keys and values from the merger's position down to the
// beginning, and returns the keys.
func requireBackward(t *rapid.T, m *Merger, want []merged) (keys []string) {
	for m.Prev() {
		require.Less(t, len(keys), len(want))
		e := want[len(keys)]
		value, err := m.Value().AppendTo(nil)
		require.NoError(t, err)
		require.Equal(t, []string{e.key, e.value}, []string{string(m.Key), string(value)})
		keys = append(keys, e.key)
	}
	require.NoError(t, m.Err)
	return keys
}
