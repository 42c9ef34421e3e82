//go:build !unix

package vfs

import "os"

// The system has no such flags.
const (
	noFollow = 0
	noBlock  = 0
	onlyDir  = 0
)

func setBlocking(*os.File) error { return nil }
