package main

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

const (
	// largeKeys is how many keys the large job has, unless -records says otherwise.
	largeKeys = 20_000_000
	// largeRounds is how often it writes each of them. All but the first read what
	// the one before wrote.
	largeRounds = 2
	// largeValueBytes is the size of a value.
	largeValueBytes = 100
	// largeBudget is the memory of all backends of a process together.
	largeBudget = "256MiB"
	// largeSample is how many records there are for each that the sink hears of.
	largeSample = 16
	// largeSum is the file with the result.
	largeSum = "sum.txt"
)

// newLargeGraph returns the large job:
//
//	updates  ──▶  values  ──▶  sum
//	       by key
//
// The operator values reads the value of the key, compares it with the one that was
// written last, and writes a value of 100 bytes. The job reads the dataset as far as
// the limit allows and writes largeSum into the directory.
func newLargeGraph(o job.Options, d deck, limit *gate, dir string) *job.Graph {
	graph := job.New(o)
	from := job.From(graph, "updates", &updates{d, limit}, job.SourceOptions{})
	values := job.Process(job.KeyBy(from, codec.Int[int64](), func(u update) int64 { return u.key }), "values", openValues)
	job.To(values, "sum", func(_ context.Context, restored []byte) (job.Sink[update], error) {
		return openSum(filepath.Join(dir, largeSum), restored)
	})
	return graph
}
