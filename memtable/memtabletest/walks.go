package memtabletest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// suffixes is how many keys of one prefix walks are tried on: more than a few
// blocks of a tree.
const suffixes = 2200

// next is the lowest row of a prefix above another, which is nil at the
// beginning.
func (m *model) next(prefix string, last *row) *row {
	tombstone := row{prefix, modelEntry{kind: run.DeletePrefix}}
	if m.hidden[prefix] && (last == nil || tombstone.above(*last)) {
		return &tombstone
	}
	from := prefix
	if last != nil {
		from = last.key
	}
	i, _ := slices.BinarySearch(m.keys, from)
	for ; i < len(m.keys); i++ {
		r := row{m.keys[i], m.entries[m.keys[i]]}
		if prefixOf(r.key) == prefix && (last == nil || r.above(*last)) {
			return &r
		}
	}
	return nil
}

func liveWalks(t *testing.T, open func(memtable.Options) memtable.Table) {
	rng := rand.New(rand.NewPCG(7, 7))
	p := newPair(t, open)
	key := func() string { return fmt.Sprintf("p/%d", rng.IntN(2*suffixes)) }
	for range suffixes {
		p.write(key(), run.Set, "value")
		p.write(fmt.Sprintf("other/%d", rng.IntN(100)), run.Set, "value")
	}
	reuse := p.live("p/", nil)
	reuse = p.live("nothing/", reuse)
	reuse = p.live("other/", reuse)
	for walk := range 4 {
		it := p.table.Live(p.lookupKey("p/"), reuse)
		p.spoil()
		var last *row
		for {
			want := p.model.next("p/", last)
			require.Equal(t, want != nil, it.Next())
			if want == nil {
				break
			}
			requireRow(t, *want, it.Entry())
			last = want
			writeBeside(p, rng, last.key, key)
			if walk == 1 && rng.IntN(1000) == 0 || walk == 2 && rng.IntN(100) == 0 {
				p.write("p/", run.DeletePrefix, "")
			}
		}
		p.write("p/~", run.Set, "beyond the end") // and what is written there is seen
		want := p.model.next("p/", last)
		require.Equal(t, want != nil, it.Next())
		for range suffixes * min(walk, 1) {
			p.write(key(), run.Append, "again")
		}
		p.write("p/", run.Kind(1+walk%2), "")
		p.write("p/~", run.Delete, "")
		reuse = it
	}
	p.all()
}

// writeBeside writes at random, mostly near a key.
func writeBeside(p *pair, rng *rand.Rand, near string, key func() string) {
	for range rng.IntN(3) {
		switch rng.IntN(6) {
		case 0:
			p.write(near, run.Set, strings.Repeat("y", rng.IntN(300)))
		case 1:
			p.write(near+string(rune('0'+rng.IntN(10)))+"x", run.Append, "x")
		case 2:
			p.write(near, run.Delete, "")
		case 3:
			p.write("other/"+near[len(near)-1:], run.Set, "x")
		default:
			p.write(key(), run.Append, "z")
		}
	}
}

func liveSeeks(t *testing.T, open func(memtable.Options) memtable.Table) {
	rng := rand.New(rand.NewPCG(8, 8))
	p := newPair(t, open)
	it := p.table.Live(p.lookupKey("p/"), nil)
	p.spoil()
	sought := func(key string) {
		var want *row
		for _, r := range p.model.rows(func(key string) bool { return prefixOf(key) == "p/" }) {
			if r.key >= key {
				want = &r
				break
			}
		}
		p.buffer = append(p.buffer[:0], key...)
		require.Equal(t, want != nil, it.Seek(p.buffer), "%q", key)
		p.spoil()
		if want == nil {
			return
		}
		requireRow(t, *want, it.Entry())
		if rng.IntN(2) == 0 {
			want = p.model.next("p/", want)
			require.Equal(t, want != nil, it.Next())
			if want != nil {
				requireRow(t, *want, it.Entry())
			}
		}
	}
	for round := range 300 {
		for _, key := range []string{"", "a", "p", "p/", "p/\x00", "p/5", fmt.Sprintf("p/%d", rng.IntN(2000)), "p/~", "p0", "q", "pa/x"} {
			sought(key)
		}
		p.write(fmt.Sprintf("p/%d", rng.IntN(2000)), run.Kind(1+rng.IntN(3)), "v")
		switch round {
		case 50, 200:
			p.write("p/", run.DeletePrefix, "")
		case 100:
			p.write("p/", run.Set, "bare")
		}
	}
	require.False(t, it.Seek([]byte("p/9~")))
	require.False(t, it.Next())
	p.write("p/9~0", run.Set, "v") // behind what was sought in vain
	require.True(t, it.Next())
	require.Equal(t, "p/9~0", string(it.Entry().Key))
	require.False(t, it.Next())
	require.NoError(t, it.Close())
	p.all()
}

// similarKeys have zeros at their ends and long beginnings in common: what is
// sorted by some bytes at a time must not mix them up.
func similarKeys(t *testing.T, open func(memtable.Options) memtable.Table) {
	rng := rand.New(rand.NewPCG(9, 9))
	p := newPair(t, open)
	for _, beginning := range []string{"", "p/", "long/" + strings.Repeat("beginning", 200), "q/12345678", "0/" + strings.Repeat("\x00", 20)} {
		for range 800 {
			b := []byte(beginning)
			for range rng.IntN(20) {
				b = append(b, []byte{0, 0, 0, 0, 0, 1, 0xff}[rng.IntN(7)])
			}
			key := string(b)
			p.write(key, run.Set, "v")
			if rng.IntN(20) == 0 {
				p.write(prefixOf(key), run.DeletePrefix, "")
				p.write(key, run.Append, "a")
			}
		}
		for n := range 200 { // each the beginning of the next
			p.write(beginning+strings.Repeat("z", n*7), run.Set, "")
		}
		p.live(prefixOf(beginning+"/"), nil)
	}
	for i := range 20_000 {
		p.write(fmt.Sprintf("same bytes %08d", i*7919%20_000), run.Set, "")
	}
	p.all()
}

func concurrentReads(t *testing.T, open func(memtable.Options) memtable.Table) {
	p := newPair(t, open)
	rng := rand.New(rand.NewPCG(10, 10))
	for range suffixes {
		p.write(fmt.Sprintf("p/%d", rng.IntN(suffixes)), run.Append, strings.Repeat("v", rng.IntN(200)))
		p.write(fmt.Sprintf("%d", rng.IntN(suffixes)), run.Set, "v")
	}
	p.write("q/", run.DeletePrefix, "")
	p.write("q/1", run.Append, "v")
	p.table.Seal()
	rows := p.model.rows(all)
	ofPrefix := p.model.rows(func(key string) bool { return prefixOf(key) == "p/" })
	readers := make([]reader, 8)
	var group sync.WaitGroup
	for i := range readers {
		group.Go(func() { readers[i].read(p.table, rows[i%2*len(rows)/2:]) })
	}
	group.Wait()
	for i, r := range readers {
		require.Equal(t, ofPrefix, r.live)
		require.Equal(t, rows, r.sealed)
		for j, row := range rows[i%2*len(rows)/2:] {
			e := p.model.entries[row.key]
			require.Equal(t, e.value, r.got[j])
		}
	}
	p.release()
}

// reader is what one goroutine has read. It calls nothing of the test's, which
// has locks: they would hide from the race detector that others are missing.
type reader struct {
	live, sealed []row
	got          []string
}

func (r *reader) read(table memtable.Table, of []row) {
	var f run.Lookup
	var lookupKey run.LookupKey
	split.Prepare(&lookupKey, []byte("p/"))
	r.live = collect(table.Live(&lookupKey, nil))
	for _, row := range of {
		split.Prepare(&lookupKey, []byte(row.key))
		f.Reset()
		table.Get(&lookupKey, &f)
		table.Hides(&lookupKey)
		b, _ := f.AppendTo(nil)
		r.got = append(r.got, string(b))
	}
	r.sealed = collect(table.Iterator())
	table.Len()
	table.Bytes()
}

// collect returns the rows from where an iterator stands.
func collect(it run.Iterator) (rows []row) {
	for it.Next() {
		e := it.Entry()
		b, _ := e.Value.AppendTo(nil)
		rows = append(rows, row{string(e.Key), modelEntry{e.Kind, string(b)}})
	}
	return rows
}
