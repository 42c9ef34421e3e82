package flightjob

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

// ResultFiles are the names of the files that the sinks write.
var ResultFiles = []string{"origins.txt", "routes.txt"}

// NewGraph returns the job:
//
//	             by route and day            by origin
//	flights  ──▶    distinct    ──┬──▶  origins  ──▶  origin-lines
//	                              └──▶  routes   ──▶  route-lines
//	                            by route
//
// It reads the dataset as far as the limit allows, and writes ResultFiles in directory dir. The
// multiset of their lines depends only on the multiset of flights, neither on the order of the
// flights nor on failures of the job.
func NewGraph(o job.Options, d dataset.Dataset, limit *dataset.ReadLimit, dir string) *job.Graph {
	graph := job.New(o)
	flights := job.From(graph, "flights", &source{d, limit}, job.SourceOptions{Disorder: d.Disorder})
	distinct := job.Process(job.KeyBy(flights, codec.Int[routeDay](), routeDayOf), "distinct", openDedup)
	origins := job.Process(job.KeyBy(distinct, codec.Int[dataset.Airport](), func(f dataset.Flight) dataset.Airport { return f.Origin }), "origins", openOrigins)
	routes := job.Process(job.KeyBy(distinct, codec.Int[dataset.Route](), dataset.Flight.Route), "routes", openRoutes)
	job.AddSink(origins, "origin-lines", sinkTo(filepath.Join(dir, ResultFiles[0])))
	job.AddSink(routes, "route-lines", sinkTo(filepath.Join(dir, ResultFiles[1])))
	return graph
}

// sinkTo returns a function that opens a sink for the file at path.
func sinkTo(path string) func(context.Context, []byte) (job.Sink[string], error) {
	return func(_ context.Context, restored []byte) (job.Sink[string], error) {
		return openResultFile(path, restored)
	}
}
