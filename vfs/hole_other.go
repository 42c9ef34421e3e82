//go:build !darwin && !freebsd && !linux

package vfs

import "os"

// seekData returns the given position, since no call is known here that finds data.
func seekData(_ *os.File, at, _ int64) int64 { return at }
