package main

import (
	"context"
	"log"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// keyGroups is the largest number of shards that the service can ever have. It never changes.
const keyGroups = 128

var names = codec.String[string]()

// host divides names among shards, and implements checkpoint.Tasks: the coordinator calls it.
type host struct {
	coordinator *checkpoint.Coordinator
	attempt     *checkpoint.Attempt
	snapshots   snapshot.Options
	shards      []*shard
}

// shard holds the counts of some key groups. Only the goroutine of run uses them.
type shard struct {
	backend snapshot.Backend
	keyed   *state.Keyed[string]
	counts  state.ValueState[int64]
	work    chan func() // run calls these, one at a time
}

// start starts n shards and loads the newest checkpoint, which any number of shards may have
// written.
func start(ctx context.Context, p *weir.Preset, n int) *host {
	h := &host{snapshots: snapshot.Options{Mode: p.Mode}}
	h.coordinator = must(checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "counter", Storage: p.Storage, Interval: time.Second}))
	h.attempt = must(h.coordinator.Begin(ctx, h, []checkpoint.Subtasks{{Operator: "shard", Parallelism: n}}))
	for i := range n {
		s := &shard{work: make(chan func())}
		s.backend = must(p.Open(state.Options{Keyspace: state.SubtaskKeyspace(i, n, keyGroups)}))
		s.keyed = must(state.NewKeyed(s.backend, names))
		s.counts = must(state.ValueOf(s.keyed, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()}))
		check(h.attempt.Restore(ctx, s.backend, "shard"))
		h.shards = append(h.shards, s)
		go s.run()
	}
	go h.attempt.Run(ctx)
	return h
}

// run calls the functions in work until it is closed.
func (s *shard) run() {
	for f := range s.work {
		f()
	}
}

// do calls f in the goroutine of the name's shard, with the name as the current key, and waits
// until f has returned.
func (h *host) do(name string, f func(state.ValueState[int64])) {
	group, done := must(state.KeyGroupOf(names, name, keyGroups)), make(chan struct{})
	s := h.shards[state.SubtaskOf(group, len(h.shards), keyGroups)]
	s.work <- func() { check(s.keyed.SetKey(name)); f(s.counts); close(done) }
	<-done
}

// Trigger implements checkpoint.Tasks: each shard takes its snapshot between two requests.
func (h *host) Trigger(t checkpoint.Trigger) {
	for i, s := range h.shards {
		s.work <- func() { // an error of Snapshot declines the checkpoint
			_, _ = h.attempt.Upload(t.ID, "shard", i).Snapshot(s.backend, h.snapshots, nil)
		}
	}
}

// Complete, Aborted and Fail implement checkpoint.Tasks.
func (h *host) Complete(s checkpoint.Stats)           { log.Printf("checkpoint %d is complete", s.ID) }
func (h *host) Aborted(_ checkpoint.ID, reason error) { log.Print(reason) }
func (h *host) Fail(reason error)                     { log.Fatal(reason) }

// stop takes a last checkpoint, so that nothing is lost. The caller has waited for all requests.
func (h *host) stop() {
	must(h.attempt.TriggerAndWait(context.Background()))
	check(h.coordinator.Close())
	for _, s := range h.shards {
		close(s.work)
		check(s.backend.Close())
	}
}
