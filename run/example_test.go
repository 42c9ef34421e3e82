package run_test

import (
	"fmt"

	"github.com/weirstate/weir/run"
)

// A lookup asks runs from the newest to the oldest, until an entry decides the value.
func ExampleLookup() {
	entries := []run.Entry{ // entries of one key, the newest run first
		{Kind: run.Append, Value: run.Value{Bytes: []byte("c")}},
		{Kind: run.Append, Value: run.Value{Bytes: []byte("b")}},
		{Kind: run.Set, Value: run.Value{Bytes: []byte("a")}},
		{Kind: run.Set, Value: run.Value{Bytes: []byte("older, not asked")}},
	}
	var l run.Lookup
	for i, e := range entries {
		if l.Add(e.Kind, e.Value) {
			fmt.Println("decided by run", i)
			break
		}
	}
	value, _ := l.AppendTo(nil)
	fmt.Printf("%s, in %d pieces\n", value, l.Pieces())
	// Output:
	// decided by run 2
	// abc, in 3 pieces
}

// Operations on one key in the same run become one entry.
func ExampleKind_Then() {
	fmt.Println(run.Delete.Then(run.Append))
	fmt.Println(run.Append.Then(run.Append))
	// Output:
	// set
	// append
}

// A split that cuts keys after the first colon groups them by user.
func ExampleSplit() {
	split := run.Split{Name: "user", Func: func(key []byte) int {
		for i, c := range key {
			if c == ':' {
				return i + 1
			}
		}
		return len(key)
	}}
	var k run.LookupKey
	split.Prepare(&k, []byte("alice:cart"))
	fmt.Printf("%s\n", k.Prefix())
	// Output:
	// alice:
}
