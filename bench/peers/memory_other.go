//go:build !linux

package main

// The resident memory of the process is not known on this platform.

// resetPeak does nothing.
func resetPeak() {}

// peakMemory returns 0.
func peakMemory() int64 { return 0 }

// memory returns 0.
func memory() int64 { return 0 }
