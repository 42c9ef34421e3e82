package main

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// total is the accumulator of a key and window.
type total struct {
	Lines         int64
	Sum, Min, Max float64
}

// totals declares the state. The codec's name and version are in every checkpoint: raise the
// version when the fields change.
var totals = state.AggregatingDescriptor[line, total, total]{
	Name: "totals",
	Codec: codec.Struct("total", 1,
		codec.Field("lines", func(t *total) *int64 { return &t.Lines }, codec.Int[int64]()),
		codec.Field("sum", func(t *total) *float64 { return &t.Sum }, codec.Float[float64]()),
		codec.Field("min", func(t *total) *float64 { return &t.Min }, codec.Float[float64]()),
		codec.Field("max", func(t *total) *float64 { return &t.Max }, codec.Float[float64]())),
	Create: func() total { return total{} },
	Add:    func(t total, l line) (total, error) { return t.plus(total{1, l.Value, l.Value, l.Value}), nil },
	Merge:  func(a, b total) (total, error) { return a.plus(b), nil },
	Result: func(t total) (total, error) { return t, nil },
}

// plus returns the total of the lines of both.
func (t total) plus(u total) total {
	if t.Lines == 0 {
		return u
	}
	return total{t.Lines + u.Lines, t.Sum + u.Sum, min(t.Min, u.Min), max(t.Max, u.Max)}
}

// result is a line of the output.
type result struct {
	Key   string    `json:"key"`
	From  time.Time `json:"from"`
	Lines int64     `json:"lines"`
	Sum   *float64  `json:"sum,omitempty"`
	Min   *float64  `json:"min,omitempty"`
	Max   *float64  `json:"max,omitempty"`
}

// addTotals adds the streams of the job: lines, keyed by their key, in windows, to the output.
func addTotals(g *job.Graph, source *inputs, o options, late *atomic.Int64) {
	lines := job.FromPositions(g, "lines", source, job.SourceOptions{Disorder: o.disorder.Milliseconds()})
	byKey := job.KeyBy(lines, codec.String[string](), func(l line) string { return l.Key })
	open := func(t *job.Task[string, string]) (func(job.Event[line]) error, error) {
		windows, err := window.Aggregate(t, window.Options[string, line, total]{
			Assigner: window.Tumbling(o.window.Milliseconds(), 0),
			Emit: func(r window.Result[string, total]) error {
				text, err := json.Marshal(newResult(r, o.fields.Value != ""))
				if err != nil {
					return err
				}
				return t.Emit(job.Event[string]{Time: r.Window.End - 1, Value: string(text)})
			},
			Late: func(string, int64, line) error { late.Add(1); return nil },
		}, totals)
		if err != nil {
			return nil, err
		}
		return func(e job.Event[line]) error { return windows.Add(e.Time, e.Value) }, nil
	}
	job.AddSink(job.Process(byKey, "totals", open), "results", openResults(o.out))
}

func newResult(r window.Result[string, total], hasValue bool) result {
	line := result{Key: r.Key, From: time.UnixMilli(r.Window.Start).UTC(), Lines: r.Value.Lines}
	if hasValue {
		line.Sum, line.Min, line.Max = &r.Value.Sum, &r.Value.Min, &r.Value.Max
	}
	return line
}
