package lsm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/lsm"
)

// directory returns a temporary directory for an example, and a function that removes it.
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
	must(db.Apply(&b)) // atomic, and durable with LogSynced
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

func ExampleDB_Append() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{})
	for _, event := range []string{"open ", "read ", "close "} {
		must(db.Append([]byte("log"), []byte(event))) // does not read the old value
	}
	value, size, found, err := db.Stream([]byte("log")) // reads values of any size
	must(err)
	text, err := io.ReadAll(value)
	must(err)
	must(value.Close())
	fmt.Println(string(text), size, found)
	must(db.Close())
	// Output: open read close  16 true
}

// untilSlash cuts keys after their first slash.
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
		if string(it.Key()) == "ann/2" { // the iterator sees later writes
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

func ExampleDB_Iterator() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{})
	for _, key := range []string{"a", "b", "c", "d"} {
		must(db.Put([]byte(key), nil))
	}
	it, err := db.Iterator([]byte("b"), []byte("d")) // from b (included) to d (excluded)
	must(err)
	must(db.Delete([]byte("b"))) // the iterator does not see later writes
	for it.Next() {
		fmt.Println("up", string(it.Key()))
	}
	for it.Prev() {
		fmt.Println("down", string(it.Key()))
	}
	must(it.Err())
	must(it.Close())
	must(db.Close())
	// Output:
	// up b
	// up c
	// down c
	// down b
}

func ExampleDB_DeleteRange() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{PartitionBytes: 1})
	for _, key := range []string{"a1", "b1", "b2", "c1"} {
		must(db.Put([]byte(key), nil))
	}
	must(db.DeleteRange([]byte("b"), []byte("c"))) // the partition b, in constant time
	for _, key := range []string{"a1", "b1", "b2", "c1"} {
		found, err := db.Has([]byte(key))
		must(err)
		fmt.Println(key, found)
	}
	must(db.Close())
	// Output:
	// a1 true
	// b1 false
	// b2 false
	// c1 true
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

// A checkpoint is an independent store. Its files are hard links to the files of the original.
func ExampleDB_Checkpoint() {
	dir, remove := directory()
	defer remove()
	ctx, backup := context.Background(), filepath.Join(dir, "backup")
	db := open(filepath.Join(dir, "store"), lsm.Options{})
	must(db.Put([]byte("count"), []byte("1")))
	must(db.Checkpoint(ctx, backup))
	must(db.Put([]byte("count"), []byte("2")))
	must(db.Close())

	report, err := lsm.Check(ctx, backup, lsm.Options{})
	must(err)
	fmt.Println("tables:", report.Tables, "problems:", len(report.Problems))
	restored := open(backup, lsm.Options{})
	value, _, err := restored.Get([]byte("count"), nil)
	must(err)
	fmt.Println("count:", string(value))
	must(restored.Close())
	// Output:
	// tables: 1 problems: 0
	// count: 1
}

func ExampleDB_Metrics() {
	dir, remove := directory()
	defer remove()
	db := open(dir, lsm.Options{})
	must(db.Put([]byte("key"), []byte("value")))
	must(db.Flush(context.Background()))
	_, _, err := db.Get([]byte("key"), nil)
	must(err)
	m := db.Metrics()
	fmt.Println("flushes:", m.Flushes)
	fmt.Println("tables in level 0:", m.Levels[0].Files)
	fmt.Println("lookups:", m.Lookups, "in memtables:", m.MemtableHits)
	must(db.Close())
	// Output:
	// flushes: 1
	// tables in level 0: 1
	// lookups: 1 in memtables: 0
}

// The partitions of a checkpoint are divided between two stores.
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
