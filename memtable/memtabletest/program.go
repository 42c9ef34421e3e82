package memtabletest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/run"
)

// randomProgram runs a random program on a table and its model: writes, reads, and an iterator that
// stays open across them. One step writes at most maxFilled keys.
func randomProgram(t *rapid.T, open opener, maxFilled int) {
	p := program{pair: newPair(t, open), maxFilled: maxFilled}
	kinds := map[string]run.Kind{"set": run.Set, "append": run.Append, "delete": run.Delete}
	steps := map[string]func(*rapid.T){
		"get":           func(t *rapid.T) { p.get(p.drawKey(t)) },
		"delete prefix": func(t *rapid.T) { p.write(prefixOf(p.drawKey(t)), run.DeletePrefix, "") },
		"delete range": func(t *rapid.T) {
			p.deleteRange(run.Range{From: []byte(p.drawKey(t)), To: []byte(p.drawKey(t))})
		},
		"fill":       p.fill,
		"open scan":  p.openScan,
		"next":       p.next,
		"previous":   p.previous,
		"seek":       p.seek,
		"seek below": p.seekBelow,
	}
	for name, kind := range kinds {
		steps[name] = func(t *rapid.T) { p.write(p.drawKey(t), kind, p.drawValue(t)) }
	}
	t.Repeat(steps)
	for _, prefix := range []string{"", "a", "a/", "many/"} {
		p.scanPrefix(prefix, nil)
	}
	p.end()
}

// program is a random program in progress.
type program struct {
	*pair
	maxFilled int
	written   int  // number of values drawn, to make each different
	scan      scan // the iterator that stays open across writes
}

// scan is an open iterator over a prefix of the live table.
type scan struct {
	it      run.BackwardIterator
	prefix  string
	at      position // Next returns the first row at or after it
	current *row     // nil if there is no current entry
}

// drawKey draws one of few keys, most of which share a prefix with others, or a key that fill may
// have written.
func (p *program) drawKey(t *rapid.T) string {
	if rapid.Bool().Draw(t, "key of fill") {
		return filledKey("many/", rapid.IntRange(0, p.maxFilled).Draw(t, "number"))
	}
	return rapid.StringMatching(`(a|b|ab|many|)(/(0|1|22|\x00|\x{7f}){0,2})?`).Draw(t, "key")
}

func filledKey(prefix string, n int) string { return fmt.Sprintf("%s%04d", prefix, n) }

// drawValue draws a value of a size up to several chunks. Values differ in their bytes.
func (p *program) drawValue(t *rapid.T) string {
	n := rapid.SampledFrom([]int{0, 1, 8, 9, 50, 300, 5000, 100_000}).Draw(t, "value bytes")
	p.written++
	return strings.Repeat(fmt.Sprintf("%d,", p.written), n)[:n]
}

// fill writes many keys that begin alike, in one of several orders.
func (p *program) fill(t *rapid.T) {
	n := rapid.IntRange(1, p.maxFilled).Draw(t, "keys")
	prefix := rapid.SampledFrom([]string{"many/", "many/", "b/", "", "far/" + strings.Repeat("common", 200)}).Draw(t, "prefix")
	order := rapid.SampledFrom([]string{"ascending", "descending", "scattered", "zeros", "nested"}).Draw(t, "order")
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range n {
		key := ""
		switch order {
		case "ascending":
			key = filledKey(prefix, i)
		case "descending":
			key = filledKey(prefix, n-i)
		case "scattered":
			key = filledKey(prefix, i*7919%n)
		case "zeros": // a sort by eight bytes at a time must not confuse them with the end of a key
			key = prefix
			for range rng.IntN(20) {
				key += string("\x00\x00\x00\x00\x01\xff"[rng.IntN(6)])
			}
		case "nested": // each key begins with the one before
			key = prefix + strings.Repeat("z", i%300)
		}
		p.write(key, run.Set, "v")
	}
}

// openScan opens an iterator, which takes the memory of the one before, and moves it.
func (p *program) openScan(t *rapid.T) {
	prefix := prefixOf(p.drawKey(t))
	it := p.table.Live(p.lookupKey(prefix), p.scan.it)
	p.overwrite()
	p.scan = scan{it: it, prefix: prefix, at: position{prefix, 0}}
	p.next(t)
}

// require compares the result of a move to a row, or to no entry if want is nil.
func (p *program) require(want *row, moved bool) {
	p.t.Helper()
	require.Equal(p.t, want != nil, moved, "the iterator over %.40q has an entry", p.scan.prefix)
	if p.scan.current = want; want != nil {
		requireEntry(p.t, *want, p.scan.it.Entry())
		p.scan.at = want.after()
	}
}

// above returns the first row of the scan at or after a position, or nil.
func (p *program) above(at position) *row {
	for i := p.model.find(at); i < len(p.model.rows) && strings.HasPrefix(p.model.rows[i].key, p.scan.prefix); i++ {
		if r := p.model.rows[i]; prefixOf(r.key) == p.scan.prefix {
			return &r
		}
	}
	return nil
}

// below returns the last row of the scan before index end of the model's rows, or nil.
func (p *program) below(end int) *row {
	for i := end - 1; i >= 0 && p.model.rows[i].key >= p.scan.prefix; i-- {
		if r := p.model.rows[i]; prefixOf(r.key) == p.scan.prefix {
			return &r
		}
	}
	return nil
}

// next moves the scan up by some entries, or to its end, with writes between the moves.
func (p *program) next(t *rapid.T) {
	if p.scan.it == nil || p.scan.at.rank < 0 {
		t.Skip("no position")
	}
	write := drawWrite(t)
	for i := range rapid.IntRange(1, 200).Draw(t, "times") {
		p.writeNear(write, i)
		want := p.above(p.scan.at)
		if p.require(want, p.scan.it.Next()); want == nil {
			return
		}
	}
}

// previous moves the scan down by some entries, or to before its beginning, with writes between
// the moves.
func (p *program) previous(t *rapid.T) {
	if p.scan.it == nil || p.scan.current == nil {
		t.Skip("no current entry")
	}
	write := drawWrite(t)
	for i := range rapid.IntRange(1, 200).Draw(t, "times") {
		p.writeNear(write, i)
		want := p.below(p.model.find(p.scan.current.position()))
		if p.require(want, p.scan.it.Prev()); want == nil {
			p.scan.at.rank = -1 // the iterator must seek now
			return
		}
	}
}

// drawWrite draws the argument of writeNear.
func drawWrite(t *rapid.T) string {
	writes := []string{"nothing", "set", "delete", "append above", "set anywhere", "set just below", "delete prefix"}
	return rapid.SampledFrom(writes).Draw(t, "write between moves")
}

// writeNear writes to the scanned prefix, mostly near the current entry of the scan, before move i.
func (p *program) writeNear(write string, i int) {
	switch key := p.scan.at.key; write {
	case "set":
		p.write(key, run.Set, strings.Repeat("y", i))
	case "delete":
		p.write(key, run.Delete, "")
	case "append above":
		p.write(key+"/", run.Append, "x")
	case "set anywhere":
		p.write(filledKey(p.scan.prefix, i*7919%p.maxFilled), run.Set, "x")
	case "set just below":
		if r := p.below(p.model.find(position{key, 1})); r != nil && len(r.key) > len(p.scan.prefix) {
			p.write(r.key+"x", run.Set, "x")
		}
	case "delete prefix":
		if i == 5 {
			p.write(p.scan.prefix, run.DeletePrefix, "")
		}
	}
}

func (p *program) seek(t *rapid.T) {
	if p.scan.it == nil {
		t.Skip("no scan")
	}
	key := p.drawKey(t)
	p.scan.at = position{max(key, p.scan.prefix), 0}
	p.key = append(p.key[:0], key...)
	moved := p.scan.it.Seek(p.key)
	p.overwrite()
	p.require(p.above(p.scan.at), moved)
}

func (p *program) seekBelow(t *rapid.T) {
	if p.scan.it == nil {
		t.Skip("no scan")
	}
	key := p.drawKey(t)
	p.key = append(p.key[:0], key...)
	moved := p.scan.it.SeekBelow(p.key)
	p.overwrite()
	want := p.below(p.model.find(position{key, 0}))
	if p.require(want, moved); want == nil {
		p.scan.at.rank = -1
	}
}
