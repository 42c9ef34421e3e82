package main

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

// lineFiles are the files that the sinks write.
var lineFiles = []string{"origins.txt", "routes.txt"}

// newFlightGraph returns the job:
//
//	             by route and day            by origin
//	flights  ──▶    distinct    ──┬──▶  origins  ──▶  origin-lines
//	                              └──▶  routes   ──▶  route-lines
//	                            by route
//
// It reads the dataset as far as the limit allows and writes lineFiles into the
// directory. These are a function of the multiset of flights: they depend neither on
// the order of the flights nor on where the job failed.
func newFlightGraph(o job.Options, d deck, limit *gate, dir string) *job.Graph {
	graph := job.New(o)
	flights := job.From(graph, "flights", &source{d, limit}, job.SourceOptions{Disorder: d.Disorder})
	distinct := job.Process(job.KeyBy(flights, codec.Int[routeDay](), flight.routeDay), "distinct", openDedup)
	origins := job.Process(job.KeyBy(distinct, codec.Int[airport](), func(f flight) airport { return f.origin }), "origins", openOrigins)
	routes := job.Process(job.KeyBy(distinct, codec.Int[route](), flight.route), "routes", openRoutes)
	job.To(origins, "origin-lines", sinkTo(filepath.Join(dir, lineFiles[0])))
	job.To(routes, "route-lines", sinkTo(filepath.Join(dir, lineFiles[1])))
	return graph
}

// sinkTo returns a function that opens a sink at a path.
func sinkTo(path string) func(context.Context, []byte) (job.Sink[string], error) {
	return func(_ context.Context, restored []byte) (job.Sink[string], error) {
		return openLines(path, restored)
	}
}
