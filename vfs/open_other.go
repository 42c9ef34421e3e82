//go:build !unix

package vfs

import "os"

// This system does not have these flags.
const (
	noFollow = 0
	noBlock  = 0
	onlyDir  = 0
)

func setBlocking(*os.File) error { return nil }
