package lsm

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// stories holds programs that together call every operation of a store.
var stories = map[string][]storyStep{
	"whole": {
		open, put("a:1", "one"), put("a:2", "two"), add("a:3", "x"), seal, put("b:1", "first"), add("a:3", "y"), del("a:1"),
		compareReads, flush, delPrefix("a:"), put("a:4", "four"), put("c:1", "see"), syncLog, batchOf("b:", "batch"), seal,
		add("a:4", "+"), delRange("b", "c"), put("b:2", "after"), takeView, put("d:1", "dee"), flush, waitForWorkers,
		put("a:1", strings.Repeat("1", 900)), put("c:2", strings.Repeat("2", 900)), flush, put("e:1", strings.Repeat("e", 800)), compact,
		closeView, put("d:2", strings.Repeat("large ", storyLarge/5)), add("d:2", "more"), put("d:3", "3"),
		checkpointTo("copies/1"), put("a:2", "later"), del("c:1"), add("d:1", "!"), checkpointTo("copies/2"),
		restoreTo("copies/3", "copies/1", "copies/2"), compareReads, reopen, compareReads, put("e:2", "again"),
		delPrefix("d:"), batchOf("c:", strings.Repeat("large", storyLarge/5)), put("e:3", "3"), syncLog, reopen,
		put("a:3", "last"), waitForWorkers, compact, put("a:4", "lost?"), seal, put("b:4", "lost!"), compareReads, closeStore,
	},
	// The memtables are small, so that the store seals and flushes often and has many logs.
	"busy": busyStory(),
}

func busyStory() []storyStep {
	steps := []storyStep{open}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 90 {
		key := fmt.Sprintf("m:%02d", rng.IntN(30))
		switch rng.IntN(8) {
		case 0:
			steps = append(steps, del(key), syncLog)
		case 1, 2:
			steps = append(steps, add(key, strings.Repeat("+", rng.IntN(60))))
		default:
			steps = append(steps, put(key, strings.Repeat(fmt.Sprint(i), rng.IntN(60))))
		}
		if i%30 == 29 {
			steps = append(steps, waitForWorkers, reopen)
		}
	}
	return append(steps, waitForWorkers, closeStore)
}

// memtableBytesOf returns the memtable size for a story.
func memtableBytesOf(name string) int64 {
	if name == "busy" {
		return 600
	}
	return 64 << 10
}

var (
	crashSeeds      = flag.Int("lsm.crashseeds", 0, "number of random choices of the unsynced data that a crash keeps; default by WEIR_TESTS: 1, 1 or 9")
	crashRecoveries = flag.Int64("lsm.crashrecoveries", 0, "number of crashes per crash whose recovery is crashed too; default by WEIR_TESTS: 61, 61 or 1")
	crashStride     = flag.Int64("lsm.crashstride", 0, "number of operations of a story per crash; default by WEIR_TESTS: 40, 1 or 1")
)

var logModes = map[string]LogMode{"off": LogOff, "buffered": LogBuffered, "written": LogWritten, "synced": LogSynced}

// crashesStride returns the number of operations of a story from one crash to the next.
func crashesStride(t *testing.T) int64 { return sample(t, crashStride, 40, 1, 1) }

// keptAfterACrash returns the ways in which a power cut treats unsynced data: it keeps nothing, all, or
// random parts. partly is the number of random ways.
func keptAfterACrash(crash int64, partly int) []vfstest.CrashOptions {
	kept := []vfstest.CrashOptions{{Keep: 0}, {Keep: 1}}
	for seed := range partly {
		kept = append(kept, vfstest.CrashOptions{
			Keep: []float64{0.5, 0.8, 0.2}[seed%3], Rand: rand.New(rand.NewPCG(uint64(seed), uint64(crash))),
			BlockBytes: []int{512, 16, 4096}[seed%3],
		})
	}
	return kept
}

// The test simulates a power cut after operations that change the disk: after each of them in a
// campaign, else after a sample. For some of these crashes, it also simulates a power cut after each
// operation of the recovery.
func TestStoresSurviveACrashAfterEveryOperation(t *testing.T) {
	for name, steps := range stories {
		for logName, mode := range logModes {
			t.Run(name+"/"+logName, func(t *testing.T) {
				t.Parallel()
				stride, seeds := crashesStride(t), sample(t, crashSeeds, 1, 1, 9)
				recoveries := sample(t, crashRecoveries, 61, 61, 1)
				mem := vfstest.NewMem(vfstest.MemOptions{})
				var s *story
				var operations, crashes, recoveryCrashes atomic.Int64
				crash := func(op vfstest.Op, file string) {
					n := operations.Add(1)
					if n%stride != 0 {
						return
					}
					for i, kept := range keptAfterACrash(n, seeds) {
						crashes.Add(1)
						crashed, p := s.promisedAfter(kept, mem)
						if (n/stride+int64(i))%recoveries == 0 {
							recoveryCrashes.Add(int64(crashDuringRecovery(s, crashed, &p)))
						}
						if err := p.verify(s.o, crashed); err != nil {
							s.mu.Lock()
							s.violate(fmt.Errorf("crash %d after operation %d, %v of %s: %w", i, n, op, file, err))
							s.mu.Unlock()
						}
					}
				}
				s = newStory(t, vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: crash}), mode, memtableBytesOf(name))
				err := s.play(steps)
				require.NoError(t, s.wrong)
				require.NoError(t, err)
				crash(0, "")
				require.NoError(t, s.wrong)
				t.Logf("%d crashes at %d operations, %d during recovery", crashes.Load(), operations.Load(), recoveryCrashes.Load())
			})
		}
	}
}

// crashDuringRecovery opens a copy of a crashed disk. It simulates another crash after each operation of
// Open, and returns the number of these crashes.
func crashDuringRecovery(s *story, crashed *vfstest.Mem, p *promise) (crashes int) {
	copied := crashed.CrashClone(vfstest.CrashOptions{Keep: 1})
	o := s.o
	o.Events.LeftBehind = func(error) {}
	opening := true
	o.FS = vfstest.NewFaulty(copied, vfstest.FaultyOptions{After: func(op vfstest.Op, file string) {
		if !opening {
			return
		}
		crashes++
		for i, kept := range keptAfterACrash(int64(crashes), 1) {
			if err := p.verify(s.o, copied.CrashClone(kept)); err != nil {
				s.mu.Lock()
				s.violate(fmt.Errorf("crash %d during recovery after operation %d, %v of %s: %w", i, crashes, op, file, err))
				s.mu.Unlock()
			}
		}
	}})
	db, err := Open(context.Background(), storyDir, o)
	opening = false
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		s.mu.Lock()
		s.violate(err)
		s.mu.Unlock()
	}
	return crashes
}
