package memtabletest

import (
	"strings"
	"testing"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// Program does what bytes say, any bytes, to a table and the model, and compares
// every answer and, at the end, everything. A fuzzer writes them.
func Program(t *testing.T, open func(memtable.Options) memtable.Table, program []byte) {
	p := newPair(t, open)
	in := input{program}
	if in.next()%4 == 0 {
		p.deleteRange(run.Range{From: []byte(in.key()), To: []byte(in.key())})
	}
	var walk run.Iterator
	for len(in.rest) > 0 {
		switch op, key := in.next()%8, in.key(); op {
		case 0:
			p.write(key, run.Set, in.value())
		case 1:
			p.write(key, run.Append, in.value())
		case 2:
			p.write(key, run.Delete, "")
		case 3:
			p.write(prefixOf(key), run.DeletePrefix, "")
		case 4:
			walk = p.live(prefixOf(key), walk)
		case 5: // many keys of a prefix
			for range in.next() {
				p.write(key+"/"+string([]byte{in.next(), byte(len(in.rest))}), run.Set, key)
			}
		default:
			p.get(key)
		}
	}
	p.all()
}

// input is what is left of a program; beyond its end there are zeros.
type input struct{ rest []byte }

func (in *input) next() byte {
	if len(in.rest) == 0 {
		return 0
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return b
}

// key is one of few, short or long, with bytes that mean something to the split.
func (in *input) key() string {
	n := in.next()
	b := []byte(strings.Repeat("long", int(n>>4&3)*3))
	for range n & 3 {
		b = append(b, "/\x00a\xff"[in.next()%4])
	}
	return string(b)
}

// value has up to 70 KiB.
func (in *input) value() string {
	n := int(in.next())
	return strings.Repeat(string(rune('a'+n%26)), n*n*n/240)
}
