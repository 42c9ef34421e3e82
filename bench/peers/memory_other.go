//go:build !linux

package main

// How much physical memory the process uses is not known here.

func resetPeak()        {}
func peakMemory() int64 { return 0 }
func memory() int64     { return 0 }
