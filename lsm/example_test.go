package lsm_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/lsm"
)

// directory makes one for an example, and what removes it.
func directory() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "lsm")
	must(err)
	return dir, func() { must(os.RemoveAll(dir)) }
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func open(dir string, o lsm.Options) *lsm.DB {
	db, err := lsm.Open(context.Background(), dir, o)
	must(err)
	return db
}

func ExampleOpen() {
	dir, remove := directory()
	defer remove()
	db, err := lsm.Open(context.Background(), dir, lsm.Options{})
	must(err)
	must(db.Put([]byte("greeting"), []byte("hello")))
	must(db.Append([]byte("greeting"), []byte(", world")))
	value, found, err := db.Get([]byte("greeting"), nil)
	must(err)
	fmt.Println(string(value), found)
	must(db.Close())
	// Output: hello, world true
}

func ExampleDB_Apply() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{Log: lsm.LogSynced})
	var b lsm.Batch
	b.Put([]byte("from"), []byte("10"))
	b.Put([]byte("to"), []byte("20"))
	b.Delete([]byte("pending"))
	must(db.Apply(&b)) // all of it is on the disk, or nothing
	it, err := db.Iterator(nil, nil)
	must(err)
	for it.Next() {
		value, err := it.Value()
		must(err)
		fmt.Printf("%s=%s\n", it.Key(), value)
	}
	must(it.Err())
	must(it.Close())
	must(db.Close())
	// Output:
	// from=10
	// to=20
}

// untilSlash cuts keys behind their first slash.
var untilSlash = lsm.Split{Name: "until slash", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, '/'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

func ExampleDB_Prefix() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{Split: untilSlash})
	for _, key := range []string{"ann/1", "ann/2", "bob/1"} {
		must(db.Put([]byte(key), nil))
	}
	it, err := db.Prefix([]byte("ann/"))
	must(err)
	for it.Next() {
		fmt.Println(string(it.Key()))
		if string(it.Key()) == "ann/2" { // the walk sees what is written meanwhile
			must(db.Put([]byte("ann/3"), nil))
		}
	}
	must(it.Err())
	must(it.Close())
	must(db.DeletePrefix([]byte("ann/")))
	_, found, err := db.Get([]byte("ann/1"), nil)
	must(err)
	fmt.Println(found)
	must(db.Close())
	// Output:
	// ann/1
	// ann/2
	// ann/3
	// false
}

func ExampleDB_View() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{})
	must(db.Put([]byte("count"), []byte("1")))
	view, err := db.View()
	must(err)
	must(db.Put([]byte("count"), []byte("2")))
	value, _, err := view.Get([]byte("count"), nil)
	must(err)
	fmt.Println(string(value))
	must(view.Close())
	must(db.Close())
	// Output: 1
}

// Partitions of a checkpoint go to two stores.
func ExampleRestore() {
	dir, remove := directory()
	defer remove()
	ctx, at := context.Background(), func(name string) string { return filepath.Join(dir, name) }
	o := lsm.Options{PartitionBytes: 1}
	db := open(at("job"), o)
	for _, key := range []string{"a1", "b1", "c1", "d1"} {
		must(db.Put([]byte(key), nil))
	}
	must(db.Checkpoint(ctx, at("checkpoint")))
	must(db.Close())

	must(lsm.Restore(ctx, at("low"), []lsm.Part{{Dir: at("checkpoint"), To: []byte("c")}}, o))
	must(lsm.Restore(ctx, at("high"), []lsm.Part{{Dir: at("checkpoint"), From: []byte("c")}}, o))
	for _, name := range []string{"low", "high"} {
		half := open(at(name), o)
		it, err := half.Iterator(nil, nil)
		must(err)
		for it.Next() {
			fmt.Println(name, string(it.Key()))
		}
		must(it.Err())
		must(it.Close())
		must(half.Close())
	}
	// Output:
	// low a1
	// low b1
	// high c1
	// high d1
}
