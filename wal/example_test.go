package wal_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A log that was not closed is read up to its last complete record.
func Example() {
	dir, err := os.MkdirTemp("", "wal")
	check(err)
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "000001.log")

	w, err := wal.Create(vfs.Real{}, name, wal.Options{})
	check(err)
	check(vfs.Real{}.SyncDir(dir)) // makes the name of the file durable
	end, err := w.Append([]byte("first"))
	check(err)
	check(w.SyncTo(end)) // "first" survives a power cut from here on
	_, err = w.Append([]byte("sec"), []byte("ond"))
	check(err)
	check(w.Flush()) // "second" survives the end of the process
	check(w.Discard())

	outcome, err := wal.Read(context.Background(), vfs.Real{}, name, func(record []byte, _ int64) error {
		fmt.Printf("%s\n", record)
		return nil
	})
	check(err)
	fmt.Println("closed cleanly:", outcome.Clean)
	// Output:
	// first
	// second
	// closed cleanly: false
}
