package vfstest_test

import (
	"fmt"
	"syscall"

	"github.com/weirstate/weir/vfs/vfstest"
)

// A file survives a power cut once its content and its name are synced.
func ExampleMem_CrashClone() {
	disk := vfstest.NewMem(vfstest.MemOptions{})
	for _, name := range []string{"durable", "nameless"} {
		f, err := disk.Create(name)
		if err != nil {
			panic(err)
		}
		_, _ = f.Write([]byte("content"))
		_ = f.Sync()
		_ = f.Close()
		if name == "durable" {
			_ = disk.SyncDir(".")
		}
	}
	after := disk.CrashClone(vfstest.CrashOptions{}) // keep nothing that is not synced
	names, err := after.List(".")
	fmt.Println(names, err)
	// Output: [durable] <nil>
}

// A plan makes operations fail: here the second Sync, as on a broken disk.
func ExampleFaulty() {
	disk := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{
		Plan: vfstest.FailNth(1, syscall.EIO, vfstest.OpSync),
	})
	f, err := disk.Create("log")
	if err != nil {
		panic(err)
	}
	fmt.Println(f.Sync())
	fmt.Println(f.Sync())
	fmt.Println(disk.Count(vfstest.OpSync), "syncs")
	// Output:
	// <nil>
	// sync log: input/output error
	// 2 syncs
}
