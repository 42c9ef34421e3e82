package main

import (
	"context"
	"path/filepath"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/codec"
)

// jobName is also the name of the folder of its checkpoints.
const jobName = "bench"

// lineFiles are the files that the sinks write.
var lineFiles = []string{"origins.txt", "routes.txt"}

// graph is the job:
//
//	             by route and day            by origin
//	flights  ──▶    distinct    ──┬──▶  origins  ──▶  origin-lines
//	                              └──▶  routes   ──▶  route-lines
//	                            by route
//
// What it writes is a function of the multiset of flights: it depends neither on
// their order nor on where the job failed.
func (l *life) graph(preset *weir.Preset, g graphOrder) *job.Graph {
	graph := job.New(l.options(preset, g))
	flights := job.From(graph, "flights", &source{l.order.Deck, &l.gate}, job.SourceOptions{Disorder: l.order.Deck.Disorder})
	distinct := job.Process(job.KeyBy(flights, codec.Int[routeDay](), flight.routeDay), "distinct", openDedup)
	origins := job.Process(job.KeyBy(distinct, codec.Int[airport](), func(f flight) airport { return f.origin }), "origins", openOrigins)
	routes := job.Process(job.KeyBy(distinct, codec.Int[route](), flight.route), "routes", openRoutes)
	job.To(origins, "origin-lines", l.lines(lineFiles[0]))
	job.To(routes, "route-lines", l.lines(lineFiles[1]))
	return graph
}

// options are those of any job.
func (l *life) options(preset *weir.Preset, g graphOrder) job.Options {
	o := job.Options{
		Name:         jobName,
		Open:         preset.Open,
		Parallelism:  g.Parallelism,
		Snapshot:     snapshot.Options{Compression: l.order.Compression, Synchronous: preset.Synchronous, Mode: preset.Mode},
		MaxRestarts:  max(len(g.Failures)-1, 0),
		OnCheckpoint: l.onCheckpoint,
		OnRestore:    func(r job.RestoreReport) { l.onRestore(r, g.Parallelism) },
	}
	if l.order.CheckpointEvery > 0 {
		o.Checkpoints = checkpoint.Options{Storage: preset.Storage, Interval: l.order.CheckpointEvery}
	}
	return o
}

// lines opens a sink.
func (l *life) lines(name string) func(context.Context, []byte) (job.Sink[string], error) {
	return func(_ context.Context, restored []byte) (job.Sink[string], error) {
		return openLines(filepath.Join(l.order.Lines, name), restored)
	}
}
