package suite

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

var ctx = context.Background()

// snapshotSizes returns numbers of keys. Their rows should differ little.
func snapshotSizes(b testing.TB) []int {
	full := []int{1_000_000, 10_000_000}
	return density.Of(b, []int{100_000}, full, full)
}

// counters is a backend with int64 values for the keys 0 to n-1.
type counters struct {
	backend snapshot.Backend
	keyed   *state.Keyed[int64]
	value   state.ValueState[int64]
	n       int
	rng     *rand.Rand
}

func newCounters(b testing.TB, open opener, n int) *counters {
	backend, k := keyed(b, open, 128)
	c := &counters{backend: backend, keyed: k, n: n, rng: rand.New(rand.NewPCG(3, 3))}
	c.value = must1(state.ValueOf(k, state.ValueDescriptor[int64]{Name: "counter", Codec: codec.Int[int64]()}))
	return c
}

func (c *counters) fill() *counters {
	for i := range c.n {
		check(c.keyed.SetKey(int64(i)))
		check(c.value.Set(int64(i)))
	}
	return c
}

// update adds 1 to the value of a random key.
func (c *counters) update() {
	check(c.keyed.SetKey(c.rng.Int64N(int64(c.n))))
	v, _, err := c.value.Get()
	check(err)
	check(c.value.Set(v + 1))
}

// eachBackend runs a row for each backend and number of keys.
func eachBackend(b *testing.B, op string, do func(b *testing.B, c *counters)) {
	for _, n := range snapshotSizes(b) {
		for _, backend := range backends {
			b.Run(row(op, backend.name, n), func(b *testing.B) {
				c := newCounters(b, backend.open, n).fill()
				defer c.backend.Close()
				runtime.GC()
				do(b, c)
			})
		}
	}
}

// BenchmarkSnapshotPause measures the synchronous part of a snapshot. It takes 200 views, with
// 20,000 updates before each, and keeps three of them open.
func BenchmarkSnapshotPause(b *testing.B) {
	eachBackend(b, "pause", func(b *testing.B, c *counters) {
		for b.Loop() {
			var pauses []time.Duration
			var open []snapshot.View
			for range 200 {
				for range 20_000 {
					c.update()
				}
				begin := time.Now()
				v := must1(c.backend.View())
				pauses = append(pauses, time.Since(begin))
				if open = append(open, v); len(open) > 3 {
					open[0].Close()
					open = open[1:]
				}
			}
			for _, v := range open {
				v.Close()
			}
			slices.Sort(pauses)
			b.ReportMetric(float64(pauses[100].Microseconds()), "p50-µs")
			b.ReportMetric(float64(pauses[198].Microseconds()), "p99-µs")
			b.ReportMetric(float64(pauses[199].Microseconds()), "max-µs")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkPauseStates measures the pause for different numbers of states. Every state is written
// between two views. The pause must not grow with the number of states.
func BenchmarkPauseStates(b *testing.B) {
	for _, states := range []int{10, 10_000} {
		for _, backend := range backends {
			b.Run(fmt.Sprintf("states=%d/%s", states, backend.name), func(b *testing.B) {
				opened, k := keyed(b, backend.open, 128)
				defer opened.Close()
				values := make([]state.ValueState[int64], states)
				for i := range values {
					values[i] = must1(state.ValueOf(k, state.ValueDescriptor[int64]{Name: fmt.Sprint(i), Codec: codec.Int[int64]()}))
				}
				check(k.SetKey(1))
				var pauses []time.Duration
				for b.Loop() {
					for _, v := range values {
						check(v.Set(1))
					}
					begin := time.Now()
					v := must1(opened.View())
					pauses = append(pauses, time.Since(begin))
					v.Close()
				}
				slices.Sort(pauses)
				b.ReportMetric(float64(pauses[len(pauses)/2].Nanoseconds())/1e3, "p50-µs")
				b.ReportMetric(float64(pauses[len(pauses)-1].Nanoseconds())/1e3, "max-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// updateFor runs updates for a duration. It returns the updates per second and the time of the
// longest update. After every 256 updates it calls between, outside of the time of any update.
func (c *counters) updateFor(d time.Duration, between func()) (perSecond float64, longest time.Duration) {
	begin := time.Now()
	last, n := begin, 0
	for last.Sub(begin) < d {
		c.update()
		now := time.Now()
		longest = max(longest, now.Sub(last))
		last = now
		if n++; n%256 == 0 {
			between()
			last = time.Now()
		}
	}
	return float64(n) / last.Sub(begin).Seconds(), longest
}

// spinFor keeps all processors busy with loops that do nothing but read the clock, and returns the
// longest gap between two readings of one of them. The machine and the scheduler cause it, not the
// backend, so it is the base for the longest update.
func spinFor(d time.Duration) (longest time.Duration) {
	var others sync.WaitGroup
	for range runtime.GOMAXPROCS(0) - 1 {
		others.Go(func() { spin(d) })
	}
	longest = spin(d)
	others.Wait()
	return longest
}

// spin reads the clock for a duration and returns the longest gap between two readings.
func spin(d time.Duration) (longest time.Duration) {
	begin := time.Now()
	for last := begin; last.Sub(begin) < d; {
		now := time.Now()
		longest = max(longest, now.Sub(last))
		last = now
	}
	return longest
}

// BenchmarkSnapshotThroughput measures updates of random keys while snapshots are written to files
// without a break, updates without snapshots, and a loop that only reads the clock. They alternate
// every five seconds. It also reports the longest update of each, and the longest gap of the loop.
func BenchmarkSnapshotThroughput(b *testing.B) {
	eachBackend(b, "throughput", func(b *testing.B, c *counters) {
		const turn = 5 * time.Second
		for b.Loop() {
			var without, with, ratio []float64
			var longestSpin, longestWithout, longestWith time.Duration
			snapshots := snapshotsInTurn{to: must1(snapshot.NewDirectory(b.TempDir())), of: c.backend}
			for range 3 {
				longestSpin = max(longestSpin, spinFor(turn))
				perSecond, longest := c.updateFor(turn, func() {})
				without = append(without, perSecond)
				longestWithout = max(longestWithout, longest)

				perSecond, longest = c.updateFor(turn, snapshots.next)
				snapshots.finish()
				with = append(with, perSecond)
				longestWith = max(longestWith, longest)
				ratio = append(ratio, with[len(with)-1]/without[len(without)-1])
			}
			b.ReportMetric(median(without), "ops/s-without")
			b.ReportMetric(median(with), "ops/s-with")
			b.ReportMetric(100*median(ratio), "%-of-without")
			b.ReportMetric(float64(longestSpin.Microseconds()), "longest-spin-µs")
			b.ReportMetric(float64(longestWithout.Microseconds()), "longest-without-µs")
			b.ReportMetric(float64(longestWith.Microseconds()), "longest-with-µs")
			b.ReportMetric(float64(snapshots.done), "snapshots")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// snapshotsInTurn writes snapshots one after the other. It removes the file of each one as soon
// as it is complete.
type snapshotsInTurn struct {
	to      *snapshot.Directory
	of      snapshot.Backend
	running *snapshot.Running
	done    int // complete snapshots
}

// next starts a snapshot if no snapshot is running.
func (s *snapshotsInTurn) next() {
	if s.running != nil {
		select {
		case <-s.running.Done():
			s.finish()
		default:
			return
		}
	}
	s.running = must1(snapshot.Start(ctx, s.of, s.to, snapshot.Options{}))
}

// finish waits for the running snapshot and removes its file.
func (s *snapshotsInTurn) finish() {
	must1(s.running.Wait())
	check(s.to.Remove("state"))
	s.running = nil
	s.done++
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// memory is a snapshot.Target and snapshot.Source in memory. Benchmarks on it measure the time of
// Weir without the time of a disk.
type memory struct{ data []byte }

type memoryFile struct{ to *memory }

func (m *memory) Create(context.Context, string) (snapshot.File, error) {
	m.data = m.data[:0]
	return memoryFile{m}, nil
}
func (f memoryFile) Write(b []byte) (int, error) {
	f.to.data = append(f.to.data, b...)
	return len(b), nil
}
func (f memoryFile) Commit() error { return nil }
func (f memoryFile) Abort() error  { return nil }

func (m *memory) Open(context.Context, string) (snapshot.Object, error) { return memoryObject{m}, nil }

type memoryObject struct{ of *memory }

func (o memoryObject) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, o.of.data[min(off, int64(len(o.of.data))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
func (o memoryObject) Size() (int64, error) { return int64(len(o.of.data)), nil }
func (o memoryObject) Close() error         { return nil }

// BenchmarkSnapshotWriteAndRestore writes and restores a snapshot on one core: 2,000,000 keys of
// 8 B with values of 100 B, half of each compressible. The rates are in MB of keys and values,
// not of the file.
func BenchmarkSnapshotWriteAndRestore(b *testing.B) {
	keys, size := density.Of(b, 20_000, 2_000_000, 2_000_000), 100
	payload := float64(keys * (8 + size))
	for _, backend := range backends {
		for _, compression := range []snapshot.Compression{snapshot.Zstd, snapshot.None} {
			name := fmt.Sprintf("%s/compression=%s", row("restore", backend.name, keys), [...]string{"zstd", "none"}[compression])
			b.Run(name, func(b *testing.B) {
				declare := func() (snapshot.Backend, *state.Keyed[int64], state.ValueState[[]byte]) {
					be, k := keyed(b, backend.open, 128)
					return be, k, must1(state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "bytes", Codec: codec.Bytes()}))
				}
				be, k, v := declare()
				rng := rand.New(rand.NewPCG(4, 4))
				for i := range keys {
					check(k.SetKey(int64(i)))
					check(v.Set(halfCompressible(rng, size)))
				}
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				m := &memory{}
				for b.Loop() {
					begin := time.Now()
					handle := must1(must1(snapshot.Start(ctx, be, m, snapshot.Options{Compression: compression, Synchronous: true})).Wait())
					b.ReportMetric(payload/1e6/time.Since(begin).Seconds(), "write-MB/s")
					b.ReportMetric(float64(handle.Bytes())/1e6, "file-MB")
					fresh, _, _ := declare()
					runtime.GC()
					begin = time.Now()
					must1(snapshot.Restore(ctx, fresh, m, []snapshot.Handle{handle}, snapshot.RestoreOptions{}))
					b.ReportMetric(payload/1e6/time.Since(begin).Seconds(), "restore-MB/s")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// halfCompressible returns size bytes: the first half is random, the second half is zeros.
func halfCompressible(rng *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b[:size/2] {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// BenchmarkSnapshotMemory measures heap bytes per key, less the 16 bytes of key and value. The
// numbers of keys are just below and above those at which the pages of the hash index split.
func BenchmarkSnapshotMemory(b *testing.B) {
	full := []int{500_000, 700_000, 850_000, 1_000_000, 1_200_000, 10_000_000}
	sizes := density.Of(b, full[:1], full, full)
	for _, n := range sizes {
		for _, backend := range backends {
			b.Run(row("memory", backend.name, n), func(b *testing.B) {
				for b.Loop() {
					before := heapBytes()
					c := newCounters(b, backend.open, n).fill()
					perKey := float64(heapBytes()-before) / float64(n)
					b.ReportMetric(perKey-16, "B/key-above-payload")
					runtime.KeepAlive(c)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkSnapshotCollector measures the garbage collector's share of the CPU time while a task
// with 10,000,000 keys updates them. Each update allocates 100 B of garbage, as a decoded record
// would.
func BenchmarkSnapshotCollector(b *testing.B) {
	for _, backend := range backends {
		n := slices.Max(snapshotSizes(b))
		b.Run(row("collector", backend.name, n), func(b *testing.B) {
			c := newCounters(b, backend.open, n).fill()
			for b.Loop() {
				runtime.GC()
				gc0, total0 := cpuSeconds()
				for begin := time.Now(); time.Since(begin) < 10*time.Second; {
					for range 1000 {
						c.update()
						garbage = make([]byte, 100)
					}
				}
				runtime.GC()
				gc1, total1 := cpuSeconds()
				b.ReportMetric(100*(gc1-gc0)/(total1-total0), "%-of-CPU")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

var garbage []byte

// cpuSeconds returns the CPU time of the garbage collector and of the whole process, without idle
// time.
func cpuSeconds() (gc, total float64) {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
	}
	metrics.Read(samples)
	return samples[0].Value.Float64(), samples[1].Value.Float64() - samples[2].Value.Float64()
}
