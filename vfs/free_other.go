//go:build !darwin && !freebsd && !linux && !windows

package vfs

import "errors"

// freeBytes does not know.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
