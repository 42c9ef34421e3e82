package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"
)

// machine says what the numbers were measured on.
func machine() string {
	s := fmt.Sprintf("%s %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	if model := cpuModel(); model != "" {
		s += ", " + model
	}
	return s
}

// cpuModel is what Linux calls the processor, empty elsewhere.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// heapPeriod is how often the heap is looked at: often enough to meet the top
// between two collections, which lie further apart once a heap is large.
const heapPeriod = 10 * time.Millisecond

// watchHeap returns a function that ends the watch and returns the most bytes
// that objects on the heap took meanwhile, garbage that was not collected yet
// included. It begins with the heap of a new process.
func watchHeap() (peak func() uint64) {
	debug.FreeOSMemory()
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		ticker := time.NewTicker(heapPeriod)
		defer ticker.Stop()
		highest := uint64(0)
		for {
			highest = max(highest, heapBytes())
			select {
			case <-ticker.C:
			case <-stop:
				result <- max(highest, heapBytes())
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-result
	}
}

// heapBytes asks the runtime without stopping the world.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
