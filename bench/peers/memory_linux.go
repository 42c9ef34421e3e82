package main

import (
	"bytes"
	"os"
	"strconv"
)

// resetPeak sets the peak of peakMemory to the memory that the process uses now.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakMemory returns the peak resident memory of the process in bytes, including mapped files, or
// 0 if it is not known.
func peakMemory() int64 { return statusBytes("VmHWM:") }

// memory returns the current resident memory of the process in bytes, or 0 if it is not known.
func memory() int64 { return statusBytes("VmRSS:") }

// statusBytes returns the value of a line of /proc/self/status, which is in kB, in bytes. It
// returns 0 if there is no such line.
func statusBytes(name string) int64 {
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
