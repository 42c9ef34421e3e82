package main

import (
	"bytes"
	"os"
	"strconv"
)

// traffic returns the bytes that the process has read and written by system calls, from the disk
// or the page cache. Reads through mapped files do not count.
func traffic() (read, written int64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(text) {
		name, number, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		n, _ := strconv.ParseInt(string(number), 10, 64)
		switch string(name) {
		case "rchar":
			read = n
		case "wchar":
			written = n
		}
	}
	return read, written
}
