package suite

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

const (
	nativeGroups      = 128
	nativeBudgetBytes = 256 << 20
)

// bytesState is an LSM backend with int64 keys and values of bytes.
type bytesState struct {
	budget  *lsm.Budget
	backend *lsmstate.Backend
	keyed   *state.Keyed[int64]
	value   state.ValueState[[]byte]
}

func newBytesState(dir string, keyspace state.Keyspace) *bytesState {
	budget := lsm.NewBudget(nativeBudgetBytes)
	b := must1(lsmstate.Create(dir, lsmstate.Options{Options: state.Options{Keyspace: keyspace}, Budget: budget}))
	s := &bytesState{budget: budget, backend: b, keyed: must1(state.NewKeyed(b, codec.Int[int64]()))}
	s.value = must1(state.ValueOf(s.keyed, state.ValueDescriptor[[]byte]{Name: "bytes", Codec: codec.Bytes()}))
	return s
}

func (s *bytesState) close() {
	check(s.backend.Close())
	s.budget.Close()
}

// owned returns the keys below n that belong to the key groups of the backend.
func (s *bytesState) owned(n int) (keys []int64) {
	for i := range int64(n) {
		if s.keyed.SetKey(i) == nil {
			keys = append(keys, i)
		}
	}
	return keys
}

func (s *bytesState) set(rng *rand.Rand, keys []int64, size int) {
	for _, key := range keys {
		check(s.keyed.SetKey(key))
		check(s.value.Set(halfCompressible(rng, size)))
	}
}

// get reads the value of a key, which must exist.
func (s *bytesState) get(key int64) {
	check(s.keyed.SetKey(key))
	if _, ok, err := s.value.Get(); !ok || err != nil {
		panic("a key has no value")
	}
}

// BenchmarkSnapshotIncremental takes 60 incremental checkpoints and rewrites one percent of the
// keys before each: adjacent keys of the tree (clustered), or random keys (uniform). It reports
// the new bytes of a checkpoint as a share of all its bytes. Files that a compaction has
// rewritten count as new.
func BenchmarkSnapshotIncremental(b *testing.B) {
	const turns, size = 60, 100
	keys := density.Of(b, 10_000, 1_000_000, 1_000_000)
	for _, order := range []string{"clustered", "uniform"} {
		b.Run(row("incremental-"+order, "lsm", keys), func(b *testing.B) {
			for b.Loop() {
				s := newBytesState(b.TempDir(), state.WholeKeyspace(nativeGroups))
				rng := rand.New(rand.NewPCG(7, 7))
				all := s.owned(keys)
				if order == "clustered" {
					slices.SortFunc(all, compareInTree)
				} else {
					rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				}
				s.set(rng, all, size)
				job := startCheckpoints(b.TempDir())
				shares := make([]float64, 0, turns)
				for turn := range 1 + turns {
					if turn > 0 {
						from := (turn * 37 % 100) * keys / 100
						s.set(rng, all[from:from+keys/100], size)
					}
					stats := job.checkpoint(func(u *checkpoint.Upload) snapshot.Handle {
						o := snapshot.Options{Name: u.Name(), Mode: snapshot.Incremental}
						return must1(must1(snapshot.Start(u.Context(), s.backend, u, o)).Wait())
					})
					if turn > 0 {
						shares = append(shares, 100*float64(stats.NewBytes)/float64(stats.Bytes))
					} else {
						b.ReportMetric(float64(stats.Bytes)/1e6, "full-MB")
					}
				}
				check(job.coordinator.Close())
				s.close()
				sum := 0.0
				for _, share := range shares {
					sum += share
				}
				b.ReportMetric(sum/turns, "mean-%")
				b.ReportMetric(slices.Max(shares), "worst-%")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// compareInTree compares keys in the order of the tree: by key group, then by key.
func compareInTree(a, b int64) int {
	position := func(key int64) uint64 {
		encoded := binary.BigEndian.AppendUint64(nil, uint64(key)^1<<63)
		return uint64(state.KeyGroup(xxhash.Sum64(encoded), nativeGroups))<<48 | uint64(key)
	}
	return cmp.Compare(position(a), position(b))
}

// linkingDirectory is a snapshot directory whose files can be linked into other directories.
type linkingDirectory struct {
	*snapshot.Directory
	path string
}

func newLinkingDirectory(path string) *linkingDirectory {
	return &linkingDirectory{must1(snapshot.NewDirectory(path)), path}
}

// Link implements snapshot.LinkingSource.
func (d *linkingDirectory) Link(_ context.Context, name, path string) error {
	return os.Link(filepath.Join(d.path, name), path)
}

// save writes a native snapshot.
func (d *linkingDirectory) save(s *bytesState, name string) snapshot.Handle {
	return must1(must1(snapshot.Start(ctx, s.backend, d, snapshot.Options{Name: name, Mode: snapshot.Full})).Wait())
}

// BenchmarkSnapshotNativeRestore restores native snapshots of 10,000,000 keys with values of
// 1,000 B, half of each compressible, from a local directory. It reports two times from opening
// the backend: until the first key is read, and until 10,000 more random keys are read. The rows
// are a restore at the same parallelism, from one subtask to two (the slower of the two), and
// from two to one. The block cache is cold, the page cache of the system is not.
func BenchmarkSnapshotNativeRestore(b *testing.B) {
	keys, size := density.Of(b, 10_000, 10_000_000, 10_000_000), 1000
	to := newLinkingDirectory(b.TempDir())
	fill := func(name string, subtask, parallelism int) snapshot.Handle {
		s := newBytesState(b.TempDir(), state.SubtaskKeyspace(subtask, parallelism, nativeGroups))
		s.set(rand.New(rand.NewPCG(8, 8)), s.owned(keys), size)
		h := to.save(s, name)
		s.close()
		return h
	}
	restore := func(b *testing.B, subtask, parallelism int, handles ...snapshot.Handle) (first, all time.Duration) {
		begun := time.Now()
		s := newBytesState(b.TempDir(), state.SubtaskKeyspace(subtask, parallelism, nativeGroups))
		must1(snapshot.Restore(ctx, s.backend, to, handles, snapshot.RestoreOptions{}))
		key := int64(0)
		for s.keyed.SetKey(key) != nil {
			key++
		}
		s.get(key)
		first = time.Since(begun)
		rng := rand.New(rand.NewPCG(9, 9))
		for got := 0; got < 10_000; {
			if key := rng.Int64N(int64(keys)); s.keyed.SetKey(key) == nil {
				s.get(key)
				got++
			}
		}
		all = time.Since(begun)
		s.close()
		return first, all
	}
	report := func(b *testing.B, first, all time.Duration, handles ...snapshot.Handle) {
		bytes := int64(0)
		for _, h := range handles {
			bytes += h.Bytes()
		}
		b.ReportMetric(float64(bytes)/1e9, "file-GB")
		b.ReportMetric(milliseconds(first), "first-ms")
		b.ReportMetric(milliseconds(all), "10000-gets-ms")
		b.ReportMetric(0, "ns/op")
	}
	whole := fill("whole", 0, 1)
	b.Run(row("native-restore-same", "lsm", keys), func(b *testing.B) {
		for b.Loop() {
			first, all := restore(b, 0, 1, whole)
			report(b, first, all, whole)
		}
	})
	b.Run(row("native-restore-1-to-2", "lsm", keys), func(b *testing.B) {
		for b.Loop() {
			first, all := restore(b, 0, 2, whole)
			first2, all2 := restore(b, 1, 2, whole)
			report(b, max(first, first2), max(all, all2), whole)
		}
	})
	for _, f := range whole.Files {
		check(to.Remove(f.Name))
	}
	halves := []snapshot.Handle{fill("left", 0, 2), fill("right", 1, 2)}
	b.Run(row("native-restore-2-to-1", "lsm", keys), func(b *testing.B) {
		for b.Loop() {
			first, all := restore(b, 0, 1, halves...)
			report(b, first, all, halves...)
		}
	})
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// BenchmarkSnapshotEmptyBackend measures the time to open an LSM backend, write one key and close
// the backend, and the resident memory of such a backend while 64 of them are open, each with
// its own budget. The memory includes pages of mapped files.
func BenchmarkSnapshotEmptyBackend(b *testing.B) {
	b.Run("op=open", func(b *testing.B) {
		dir := b.TempDir()
		for b.Loop() {
			check(openWithOneKey(dir).Close())
		}
	})
	b.Run("op=memory", func(b *testing.B) {
		const backends = 64
		for b.Loop() {
			before := residentBytes(b)
			var open []*lsmstate.Backend
			for i := range backends {
				open = append(open, openWithOneKey(filepath.Join(b.TempDir(), fmt.Sprint(i))))
			}
			b.ReportMetric(float64(residentBytes(b)-before)/backends/(1<<20), "MiB")
			for _, backend := range open {
				check(backend.Close())
			}
		}
		b.ReportMetric(0, "ns/op")
	})
}

// openWithOneKey opens a backend and writes one key: the first write creates the tree.
func openWithOneKey(dir string) *lsmstate.Backend {
	b := must1(lsmstate.Create(dir, lsmstate.Options{Options: state.Options{Keyspace: state.WholeKeyspace(nativeGroups)}}))
	k := must1(state.NewKeyed(b, codec.Int[int64]()))
	v := must1(state.ValueOf(k, state.ValueDescriptor[int64]{Name: "number", Codec: codec.Int[int64]()}))
	check(k.SetKey(1))
	check(v.Set(1))
	return b
}

// residentBytes returns the resident memory of the process in bytes.
func residentBytes(b *testing.B) int64 {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc: ", err)
	}
	var total, resident int64
	must1(fmt.Sscan(string(statm), &total, &resident))
	return resident * int64(os.Getpagesize())
}
