package largejob

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

const (
	// Keys is the usual number of keys.
	Keys = 20_000_000
	// Rounds is how often the job writes each key. All rounds but the first read the
	// value of the round before.
	Rounds = 2
	// ValueBytes is the size of a value.
	ValueBytes = 100
	// Budget is the memory of all backends of a process together.
	Budget = "256MiB"
	// sampleEvery is the number of records for each one that the sink gets.
	sampleEvery = 16
	// ResultFile is the name of the file with the result.
	ResultFile = "sum.txt"
)

// NewGraph returns the job:
//
//	updates  ──▶  values  ──▶  sum
//	       by key
//
// The operator values reads the value of the key, compares it with the one that was
// written last, and writes a value of 100 bytes. The job reads the dataset as far as
// the limit allows and writes ResultFile into the directory.
func NewGraph(o job.Options, d dataset.Dataset, limit *dataset.ReadLimit, dir string) *job.Graph {
	graph := job.New(o)
	from := job.From(graph, "updates", &updates{d, limit}, job.SourceOptions{})
	values := job.Process(job.KeyBy(from, codec.Int[int64](), func(u update) int64 { return u.key }), "values", openValues)
	job.AddSink(values, "sum", func(_ context.Context, restored []byte) (job.Sink[update], error) {
		return openSum(filepath.Join(dir, ResultFile), restored)
	})
	return graph
}
