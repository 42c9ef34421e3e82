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

// stories together do everything that a store does.
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
	// Small memtables: runs end by themselves, logs are many, the workers are busy.
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

// memtableOf is the size of memtables in a story.
func memtableOf(name string) int64 {
	if name == "busy" {
		return 600
	}
	return 64 << 10
}

var (
	crashSeeds      = flag.Int("lsm.crashseeds", 0, "ways in which a crash keeps a part of what was not synced; default by WEIR_TESTS: 1, 1 or 9")
	crashRecoveries = flag.Int64("lsm.crashrecoveries", 0, "after how many crashes the recovery is crashed as well; default by WEIR_TESTS: 61, 61 or 1")
	crashStride     = flag.Int64("lsm.crashstride", 0, "after how many operations of a story there is a crash; default by WEIR_TESTS: 40, 1 or 1")
)

var logModes = map[string]LogMode{"off": LogOff, "buffered": LogBuffered, "written": LogWritten, "synced": LogSynced}

// crashesStride is the distance from crash to crash, in operations of a story.
func crashesStride(t *testing.T) int64 { return sample(t, crashStride, 40, 1, 1) }

// keptAfterACrash are the ways in which a power cut treats what was not synced.
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

// After operations that change the disk the power goes, after each of them in a
// campaign; then, during some of the recoveries, after every operation of theirs.
func TestStoresSurviveACrashAfterEveryOperation(t *testing.T) {
	for name, steps := range stories {
		for logName, mode := range logModes {
			t.Run(name+"/"+logName, func(t *testing.T) {
				t.Parallel()
				stride, seeds := crashesStride(t), sample(t, crashSeeds, 1, 1, 9)
				recoveries := sample(t, crashRecoveries, 61, 61, 1)
				mem := vfstest.NewMem(vfstest.MemOptions{})
				var s *story
				var operations, crashes, again atomic.Int64
				crash := func(op vfstest.Op, file string) {
					n := operations.Add(1)
					if n%stride != 0 {
						return
					}
					for i, kept := range keptAfterACrash(n, seeds) {
						crashes.Add(1)
						left, p := s.promisedAfter(kept, mem)
						if (n/stride+int64(i))%recoveries == 0 {
							again.Add(int64(crashDuringRecovery(s, left, &p)))
						}
						if err := p.verify(s.o, left); err != nil {
							s.mu.Lock()
							s.violate(fmt.Errorf("crash %d after operation %d, %v of %s: %w", i, n, op, file, err))
							s.mu.Unlock()
						}
					}
				}
				s = newStory(t, vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: crash}), mode, memtableOf(name))
				err := s.play(steps)
				require.NoError(t, s.wrong)
				require.NoError(t, err)
				crash(0, "")
				require.NoError(t, s.wrong)
				t.Logf("%d crashes at %d operations, %d during recovery", crashes.Load(), operations.Load(), again.Load())
			})
		}
	}
}

// crashDuringRecovery opens a copy of what a crash has left, with another crash
// after each operation, and says how many there were.
func crashDuringRecovery(s *story, left *vfstest.Mem, p *promise) (crashes int) {
	copied := left.CrashClone(vfstest.CrashOptions{Keep: 1})
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
