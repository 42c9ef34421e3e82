package memtabletest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// concurrentReads reads a sealed table in eight goroutines. Its trees are not sorted yet, so all
// of them may sort. With -race, it finds tables that lack a lock.
func concurrentReads(t *testing.T, open opener) {
	const keys = 2200 // more than a few leaves of a tree
	p := newPair(t, open)
	rng := rand.New(rand.NewPCG(10, 10))
	for range keys {
		p.write(fmt.Sprintf("p/%d", rng.IntN(keys)), run.Append, strings.Repeat("v", rng.IntN(200)))
		p.write(fmt.Sprintf("%d", rng.IntN(keys)), run.Set, "v")
	}
	p.write("q/", run.DeletePrefix, "")
	p.write("q/1", run.Append, "v")
	p.table.Seal()
	readers := make([]reader, 8)
	var group sync.WaitGroup
	for i := range readers {
		group.Go(func() { readers[i].read(p.table, p.model.rows) })
	}
	group.Wait()
	for _, r := range readers {
		require.Equal(t, p.model.ofPrefix("p/"), r.live)
		require.Equal(t, p.model.rows, r.sealed)
		for i, row := range p.model.rows {
			require.Equal(t, p.model.get(position{row.key, 1}).value, r.got[i])
		}
	}
	p.close()
}

// reader collects the results of one goroutine. It calls no function of the test: their locks
// would hide from the race detector that the table has none.
type reader struct {
	live, sealed []row
	got          []string
}

func (r *reader) read(table memtable.Table, rows []row) {
	var l run.Lookup
	var k run.LookupKey
	split.Prepare(&k, []byte("p/"))
	r.live = collect(table.Live(&k, nil))
	for _, row := range rows {
		split.Prepare(&k, []byte(row.key))
		l.Reset()
		table.Get(&k, &l)
		table.Hides(&k)
		table.MayHold(&k)
		b, _ := l.AppendTo(nil)
		r.got = append(r.got, string(b))
	}
	r.sealed = collect(table.Iterator())
	table.Len()
	table.Bytes()
}

// collect returns the entries of a new iterator.
func collect(it run.Iterator) (rows []row) {
	for it.Next() {
		e := it.Entry()
		b, _ := e.Value.AppendTo(nil)
		rows = append(rows, row{string(e.Key), e.Kind, string(b)})
	}
	return rows
}
