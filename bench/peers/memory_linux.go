package main

import (
	"bytes"
	"os"
	"strconv"
)

// resetPeak makes peakMemory count from what the process uses now.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakMemory is the most physical memory that the process has used at a time, in
// bytes, mapped files included; 0 if it is not known.
func peakMemory() int64 { return status("VmHWM:") }

// memory is what it uses now.
func memory() int64 { return status("VmRSS:") }

// status is a line of kilobytes in the kernel's account of the process.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte(name))
	fields := bytes.Fields(after[:max(0, bytes.IndexByte(after, '\n'))])
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n << 10
}
