package largejob

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

const (
	// Keys is the default number of keys.
	Keys = 20_000_000
	// Rounds is the number of times that the job writes each key. From the second round on it
	// reads the value of the previous round first.
	Rounds = 2
	// ValueBytes is the size of a value in bytes.
	ValueBytes = 100
	// Budget is the memory that all backends of a process share, in the form of a preset URL.
	Budget = "256MiB"
	// sampleEvery is the number of keys per key whose records are sent to the sink.
	sampleEvery = 16
	// ResultFile is the name of the file that the sink writes.
	ResultFile = "sum.txt"
)

// NewGraph returns the job:
//
//	updates  ──▶  values  ──▶  sum
//	       by key
//
// The operator values reads the value of the key, compares it with the one written last, and
// writes the next value. The job reads the dataset as far as the limit allows, and writes
// ResultFile in directory dir.
func NewGraph(o job.Options, d dataset.Dataset, limit *dataset.ReadLimit, dir string) *job.Graph {
	graph := job.New(o)
	from := job.From(graph, "updates", &updates{d, limit}, job.SourceOptions{})
	values := job.Process(job.KeyBy(from, codec.Int[int64](), func(u update) int64 { return u.key }), "values", openValues)
	job.AddSink(values, "sum", func(_ context.Context, restored []byte) (job.Sink[update], error) {
		return openSum(filepath.Join(dir, ResultFile), restored)
	})
	return graph
}
