package suite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// barrierTurn is the duration of one turn of BenchmarkSnapshotBarrier.
const barrierTurn = 2 * time.Second

// BenchmarkSnapshotBarrier measures updates of LSM backends that share a budget, all in one
// goroutine, while native snapshots of all of them begin together, without a break: each snapshot
// flushes all backends. Updates, and a loop that only reads the clock, alternate every two seconds.
// It reports the median of the longest update, and of the longest gap of the loop, of five turns.
func BenchmarkSnapshotBarrier(b *testing.B) {
	keys := density.Of(b, 10_000, 250_000, 250_000)
	for _, instances := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("op=barrier/backend=lsm/instances=%d/keys=%d", instances, keys), func(b *testing.B) {
			for b.Loop() {
				measureBarriers(b, instances, keys)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measureBarriers is one iteration of BenchmarkSnapshotBarrier.
func measureBarriers(b *testing.B, instances, keys int) {
	budget := lsm.NewBudget(int64(instances) * 16 << 20)
	open := func(b testing.TB, o state.Options) (snapshot.Backend, error) {
		return lsmstate.Create(b.TempDir(), lsmstate.Options{Options: o, Budget: budget})
	}
	g := &barrierGroup{dir: b.TempDir()}
	for range instances {
		g.all = append(g.all, newCounters(b, open, keys).fill())
	}
	g.next() // the first snapshot flushes all that fill has written
	g.finish()
	g.barriers = 0
	var spins, longest, rates []float64
	for range 5 {
		spins = append(spins, float64(spinFor(barrierTurn).Microseconds()))
		rate, most := g.updateFor(barrierTurn)
		longest = append(longest, float64(most.Microseconds()))
		rates = append(rates, rate)
	}
	for _, c := range g.all {
		check(c.backend.Close())
	}
	check(budget.Close())
	b.ReportMetric(median(spins), "longest-spin-µs")
	b.ReportMetric(median(longest), "longest-µs")
	b.ReportMetric(median(rates), "ops/s")
	b.ReportMetric(float64(g.barriers)/(5*barrierTurn.Seconds()), "barriers/s")
}

// barrierGroup is a group of backends whose snapshots begin together.
type barrierGroup struct {
	dir      string
	all      []*counters
	running  []*snapshot.Running
	to       []*snapshot.Directory
	barriers int
}

// updateFor is counters.updateFor for all backends in turn, with snapshots.
func (g *barrierGroup) updateFor(d time.Duration) (perSecond float64, longest time.Duration) {
	begin, n := time.Now(), 0
	for time.Since(begin) < d {
		for _, c := range g.all {
			last := time.Now()
			for range 256 {
				c.update()
				now := time.Now()
				longest = max(longest, now.Sub(last))
				last = now
			}
			n += 256
		}
		g.next()
	}
	perSecond = float64(n) / time.Since(begin).Seconds()
	g.finish()
	return perSecond, longest
}

// next starts the next snapshots if none is running.
func (g *barrierGroup) next() {
	for _, r := range g.running {
		select {
		case <-r.Done():
		default:
			return
		}
	}
	g.finish()
	g.barriers++
	for i, c := range g.all {
		to := must1(snapshot.NewDirectory(filepath.Join(g.dir, fmt.Sprint(i))))
		g.to = append(g.to, to)
		g.running = append(g.running, must1(snapshot.Start(ctx, c.backend, to, snapshot.Options{Mode: snapshot.Full})))
	}
}

// finish waits for the running snapshots and removes their files.
func (g *barrierGroup) finish() {
	for i, r := range g.running {
		for _, f := range must1(r.Wait()).Files {
			check(g.to[i].Remove(f.Name))
		}
	}
	g.running, g.to = g.running[:0], g.to[:0]
}
