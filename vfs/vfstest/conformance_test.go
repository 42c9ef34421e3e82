package vfstest

import (
	"testing"

	"github.com/weirstate/weir/vfs"
)

func TestConformance(t *testing.T) {
	for name, open := range map[string]func() vfs.FS{
		"Mem":        func() vfs.FS { return NewMem(MemOptions{}) },
		"Faulty":     func() vfs.FS { return NewFaulty(NewMem(MemOptions{}), FaultyOptions{}) },
		"CrashClone": func() vfs.FS { return NewMem(MemOptions{}).CrashClone(CrashOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			Run(t, func(*testing.T) (vfs.FS, string) { return open(), "/" })
		})
	}
}

// Relative names of a Mem begin at its root.
func TestConformanceUnderARelativeName(t *testing.T) {
	Run(t, func(*testing.T) (vfs.FS, string) { return NewMem(MemOptions{}), "." })
}
