package sstable_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A table is written once, in key order, and then read by key or in order.
func Example() {
	dir, err := os.MkdirTemp("", "sstable")
	check(err)
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "000001.sst")

	file, err := vfs.Real{}.Create(name)
	check(err)
	w := sstable.NewWriter(file, sstable.WriterOptions{Compression: sstable.S2})
	for _, fruit := range []string{"apple", "cherry", "fig"} {
		check(w.Add(&run.Entry{Key: []byte(fruit), Kind: run.Set, Value: run.Value{Bytes: []byte("red")}}))
	}
	_, err = w.Finish()
	check(err)
	w.Close()
	check(file.Close())

	file, err = vfs.Real{}.Open(name)
	check(err)
	table, err := sstable.Open(file, sstable.ReaderOptions{})
	check(err)
	var key run.LookupKey
	var found run.Lookup
	run.WholeKey.Prepare(&key, []byte("cherry"))
	_, err = table.Get(&key, &found)
	check(err)
	value, _ := found.Whole()
	fmt.Printf("cherry: %s\n", value)

	it := table.Iterator(sstable.IteratorOptions{})
	for ok := it.Seek([]byte("b")); ok; ok = it.Next() {
		fmt.Printf("%s\n", it.Entry().Key)
	}
	check(it.Err())
	check(it.Close())
	check(table.Close())
	// Output:
	// cherry: red
	// cherry
	// fig
}
