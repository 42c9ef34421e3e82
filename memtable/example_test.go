package memtable_test

import (
	"bytes"
	"fmt"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// bySlash cuts keys after their first slash.
var bySlash = run.Split{Name: "slash", Func: func(key []byte) int {
	return bytes.IndexByte(key, '/') + 1
}}

// lookupKey prepares a key for a table.
func lookupKey(key string) *run.LookupKey {
	k := new(run.LookupKey)
	bySlash.Prepare(k, []byte(key))
	return k
}

// A table is written by one goroutine, then sealed, read in order, and closed.
func ExampleNewHash() {
	budget := memtable.NewBudget(16 << 20)
	table := memtable.NewHash(memtable.Options{Budget: budget})
	table.Set(lookupKey("user/2"), []byte("Ben"))
	table.Set(lookupKey("user/1"), []byte("Ann"))
	table.Append(lookupKey("user/1"), []byte(" Lee"))
	table.Delete(lookupKey("user/3")) // hides user/3 in older runs

	var l run.Lookup
	if decided := table.Get(lookupKey("user/1"), &l); decided {
		value, _ := l.AppendTo(nil)
		fmt.Printf("user/1 is %s\n", value)
	}

	table.Seal()
	for it := table.Iterator(); it.Next(); {
		e := it.Entry()
		fmt.Printf("%s: %s %q\n", e.Key, e.Kind, e.Value.Bytes)
	}
	table.Close()
	fmt.Println(budget.Used(), "bytes in use")
	// Output:
	// user/1 is Ann Lee
	// user/1: set "Ann Lee"
	// user/2: set "Ben"
	// user/3: delete ""
	// 0 bytes in use
}

// Live iterates over a prefix while its owner writes. DeletePrefix removes the prefix.
func ExampleTable_Live() {
	table := memtable.NewHash(memtable.Options{})
	defer table.Close()
	for _, key := range []string{"cart/apple", "cart/cherry", "order/7"} {
		table.Set(lookupKey(key), nil)
	}
	it := table.Live(lookupKey("cart/"), nil)
	for it.Next() {
		fmt.Printf("%s\n", it.Entry().Key)
		if string(it.Entry().Key) == "cart/apple" {
			table.Set(lookupKey("cart/banana"), nil)
		}
	}

	table.DeletePrefix(lookupKey("cart/"))
	fmt.Println("cart hidden in older runs:", table.Hides(lookupKey("cart/")))
	for it = table.Live(lookupKey("cart/"), it); it.Next(); {
		fmt.Printf("%s: %s\n", it.Entry().Key, it.Entry().Kind)
	}
	// Output:
	// cart/apple
	// cart/banana
	// cart/cherry
	// cart hidden in older runs: true
	// cart/: delete-prefix
}
