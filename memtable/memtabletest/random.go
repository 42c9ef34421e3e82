package memtabletest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// random does operations drawn from a seed, and compares answers on the way and
// everything at the end.
func random(t *testing.T, open func(memtable.Options) memtable.Table, seed uint64, operations int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := newPair(t, open)
	if seed%3 == 1 {
		p.deleteRange(run.Range{From: []byte("b"), To: []byte("c")})
	}
	keys := 1 + rng.IntN(1+operations/2)
	key := func() string { return randomKey(rng, keys) }
	reuse := run.Iterator(nil)
	for range operations {
		switch n := rng.IntN(100); {
		case n < 30:
			p.write(key(), run.Set, randomValue(rng))
		case n < 50:
			p.write(key(), run.Append, randomValue(rng))
		case n < 60:
			p.write(key(), run.Delete, "")
		case n < 99:
			p.get(key())
		case rng.IntN(10) == 0:
			p.write(prefixOf(key()), run.DeletePrefix, "")
		case rng.IntN(3) == 0:
			reuse = p.live(prefixOf(key()), reuse)
		}
	}
	p.all()
}

// randomKey returns one of some keys: whole ones, and few prefixes with many
// suffixes.
func randomKey(rng *rand.Rand, keys int) string {
	n := rng.IntN(keys)
	switch rng.IntN(4) {
	case 0:
		return fmt.Sprint(n)
	case 1:
		return fmt.Sprintf("%c/%d", 'a'+rng.IntN(3), n)
	case 2:
		return fmt.Sprintf("many%d/%d", n%100, n/100)
	default:
		return strings.Repeat(string(rune(n%3)), n%20) + []string{"", "/", "/\x00"}[n%3]
	}
}

func randomValue(rng *rand.Rand) string {
	n := rng.IntN(64)
	switch rng.IntN(200) {
	case 0:
		n = rng.IntN(100_000)
	case 1, 2, 3:
		n = rng.IntN(5000)
	}
	return strings.Repeat(string(rune('a'+rng.IntN(26))), n)
}
