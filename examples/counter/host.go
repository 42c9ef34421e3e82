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

const keyGroups = 128 // never changes; there may be as many shards

var names = codec.String[string]()

// host deals names to shards, and is the coordinator's view of them.
type host struct {
	coordinator *checkpoint.Coordinator
	attempt     *checkpoint.Attempt
	snapshots   snapshot.Options
	shards      []*shard
}

// shard has the counts of some key groups. They belong to the goroutine that runs work.
type shard struct {
	backend snapshot.Backend
	keyed   *state.Keyed[string]
	counts  state.ValueState[int64]
	work    chan func()
}

// start starts n shards with the counts of the newest checkpoint, of any number of shards.
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

func (s *shard) run() {
	for f := range s.work {
		f()
	}
}

// do runs f on the shard of a name, with the name as the current key.
func (h *host) do(name string, f func(state.ValueState[int64])) {
	group, done := must(state.KeyGroupOf(names, name, keyGroups)), make(chan struct{})
	s := h.shards[state.SubtaskOf(group, len(h.shards), keyGroups)]
	s.work <- func() { check(s.keyed.SetKey(name)); f(s.counts); close(done) }
	<-done
}

// Trigger implements checkpoint.Tasks: each shard takes its part between two requests.
func (h *host) Trigger(t checkpoint.Trigger) {
	for i, s := range h.shards {
		s.work <- func() { // an error of Snapshot declines the checkpoint
			_, _ = h.attempt.Upload(t.ID, "shard", i).Snapshot(s.backend, h.snapshots, nil)
		}
	}
}

func (h *host) Complete(s checkpoint.Stats)           { log.Printf("checkpoint %d is complete", s.ID) }
func (h *host) Aborted(_ checkpoint.ID, reason error) { log.Print(reason) }
func (h *host) Fail(reason error)                     { log.Fatal(reason) }

// stop takes a last checkpoint, so that nothing is lost. No request may be under way.
func (h *host) stop() {
	must(h.attempt.TriggerAndWait(context.Background()))
	check(h.coordinator.Close())
	for _, s := range h.shards {
		close(s.work)
		check(s.backend.Close())
	}
}
