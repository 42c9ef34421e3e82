package lsm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// noSpaceErrors holds the errors of a full disk, an exhausted quota and a file of maximum size. Writes
// fail with them at once, or after half of the bytes.
var noSpaceErrors = map[string]error{
	"ENOSPC":       syscall.ENOSPC,
	"ENOSPC, half": vfstest.ShortWrite(syscall.ENOSPC),
	"EDQUOT, half": vfstest.ShortWrite(syscall.EDQUOT),
	"EFBIG":        syscall.EFBIG,
	"EFBIG, half":  vfstest.ShortWrite(syscall.EFBIG),
}

// fullSteps calls every operation that makes an open store write to the disk.
var fullSteps = []storyStep{
	put("a:1", "one"), put("a:2", strings.Repeat("2", 300)), add("a:1", "more"), batchOf("b:", "batch"), put("c:1", strings.Repeat("c", 500)),
	del("a:2"), seal, put("d:1", "dee"), delPrefix("b:"), flush, put("d:2", strings.Repeat("d", 200)), put("e:1", strings.Repeat("large ", storyLarge/5)),
	add("d:1", "!"), delRange("c", "d"), batchOf("a:", strings.Repeat("a", 250)), compact, put("x", "ex"), put("m:01", strings.Repeat("m", 700)),
	put("m:02", strings.Repeat("n", 700)), add("m:01", "+"), seal, put("e:2", "last"),
}

// fullWalk is a story on a disk that is full for some time.
type fullWalk struct {
	*faultStory
	refused    int // number of steps that failed
	maxRefused int // after this number of failed steps, space is freed
}

// take performs steps until a check fails. It repeats a failed step until it succeeds. A failed step must
// not change the content.
func (w *fullWalk) take(steps []storyStep) {
	for _, step := range steps {
		for err := step(w.story); err != nil && w.wrong == nil; err = step(w.story) {
			w.requireRefused(err)
			w.refused++
			switch {
			case !w.disk.lifted.Load():
				w.disk.lifted.Store(w.refused >= w.maxRefused)
			case time.Now().After(w.deadline):
				w.expectNoError("a write fails although space is free", err)
			default: // the flusher has not tried again yet
				time.Sleep(100 * time.Microsecond)
			}
		}
		if w.wrong != nil {
			return
		}
	}
}

// requireRefused requires that err wraps the cause and either wraps ErrStalled or reports a failed
// compaction. The content must not have changed.
func (w *fullWalk) requireRefused(err error) {
	if !errors.Is(err, w.cause) || errors.Is(err, ErrFailed) || !errors.Is(err, ErrStalled) && !strings.HasPrefix(err.Error(), "compaction") {
		w.expectNoError("not an error of a full disk", err)
	}
	got, err := contentOf(w.db)
	w.expectNoError("read after a refused write", err)
	if !maps.Equal(w.current(), got) {
		w.expectNoError("after a refused write", errors.New("a refused write is visible, or an accepted write is lost"))
	}
}

func newFullWalk(t *testing.T, mode LogMode, plan vfstest.Plan, cause error) *fullWalk {
	disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), plan)
	w := &fullWalk{faultStory: &faultStory{story: newStory(t, disk, mode, 600), disk: disk, cause: cause}}
	if short := errors.Unwrap(cause); short != nil {
		w.cause = short
	}
	w.o.Events.Failed = func(err error) { w.expectNoError("the store has failed", err) }
	return w
}

// The disk becomes full at each write in turn. Acknowledged writes stay, refused writes change nothing,
// and reads continue. After space is freed, writes succeed without another Open.
func TestWritesContinueAfterSpaceIsFreed(t *testing.T) {
	stride := density.Of(t, 41, 1, 1)
	offset := 0
	for _, modeName := range slices.Sorted(maps.Keys(logModes)) {
		for _, causeName := range slices.Sorted(maps.Keys(noSpaceErrors)) {
			t.Run(modeName+"/"+causeName, func(t *testing.T) {
				cause := noSpaceErrors[causeName]
				hits := 0
				offset++
				for n := offset % stride; ; n += stride {
					nth := vfstest.FailFrom(n, cause, vfstest.OpWrite)
					opened := false
					w := newFullWalk(t, logModes[modeName], func(c vfstest.Call) error {
						if !opened {
							return nil
						}
						return nth(c)
					}, cause)
					w.maxRefused = 1 + n%3
					w.take([]storyStep{open})
					opened = true
					w.take(fullSteps)
					w.disk.lifted.Store(true)
					w.take([]storyStep{put("a:3", "last"), flush})
					w.expectNoError("content", compareReads(w.story))
					want := w.current()
					crashed := w.disk.mem.CrashClone(vfstest.CrashOptions{})
					w.expectNoError("after a power cut", holds(withFS(w.o, crashed), storyDir, want))
					w.expectNoError("Close", w.db.Close())
					w.expectNoError("after another Open", holds(withFS(w.o, w.disk.mem), storyDir, want))
					require.NoError(t, w.wrong, "write %d", n)
					require.NoError(t, nothingOpen(w.disk))
					if w.disk.hits.Load() == 0 {
						break
					}
					hits++
				}
				require.GreaterOrEqual(t, hits, 20/stride)
				t.Logf("%d walks", hits)
			})
		}
	}
}

func withFS(o Options, fsys vfs.FS) Options {
	o.FS = fsys
	return o
}

// A power cut after any operation loses no acknowledged write, while the manifest or CURRENT cannot be
// written and after space is freed.
func TestCrashAfterAFailedManifestWriteLosesNothing(t *testing.T) {
	requireCrashesSafe(t, 1, func(c vfstest.Call) bool {
		return strings.Contains(c.Name, directory.ManifestPrefix) || strings.Contains(c.Name, directory.CurrentName)
	})
}

// A power cut after any operation loses no acknowledged write, while a log or a table cannot be written
// and after space is freed.
func TestCrashAfterAFailedLogOrTableWriteLosesNothing(t *testing.T) {
	requireCrashesSafe(t, 3, func(c vfstest.Call) bool {
		return strings.Contains(c.Name, directory.LogSuffix) || strings.Contains(c.Name, directory.TableSuffix)
	})
}

// requireCrashesSafe plays fullSteps once for every stride-th write accepted by which. From this write on,
// all accepted writes fail, and each operation is followed by a simulated power cut.
func requireCrashesSafe(t *testing.T, stride int, which func(vfstest.Call) bool) {
	stride *= density.Of(t, 20, 1, 1)
	for modeName, mode := range logModes {
		t.Run(modeName, func(t *testing.T) {
			t.Parallel()
			var crashes atomic.Int64 // also counted by the store's goroutines
			for n := 0; ; n += stride {
				cause := noSpaceErrors[slices.Sorted(maps.Keys(noSpaceErrors))[n%len(noSpaceErrors)]]
				w := newFullWalk(t, mode, nil, cause)
				w.maxRefused = 1 + n%3
				nth := vfstest.FailFrom(n, cause, vfstest.OpWrite)
				w.disk.Faulty = vfstest.NewFaulty(w.disk.mem, vfstest.FaultyOptions{
					Plan: func(c vfstest.Call) error {
						if w.disk.lifted.Load() || !which(c) {
							return nil
						}
						err := nth(c)
						if err != nil {
							w.disk.hits.Add(1)
						}
						return err
					},
					After: func(op vfstest.Op, file string) {
						if w.disk.hits.Load() == 0 || w.db == nil {
							return
						}
						for i, kept := range keptAfterACrash(int64(n), 1) {
							crashes.Add(1)
							crashed, p := w.promisedAfter(kept, w.disk.mem)
							if err := p.verify(w.o, crashed); err != nil {
								w.expectNoError("after a power cut", fmt.Errorf("%d after %v of %s: %w", i, op, file, err))
							}
						}
					},
				})
				for err := open(w.story); err != nil; err = open(w.story) {
					w.disk.lifted.Store(true) // the disk was too full to make a store
				}
				w.take(fullSteps)
				w.disk.lifted.Store(true)
				w.take([]storyStep{put("a:3", "last"), flush, closeStore})
				require.NoError(t, w.wrong, "write %d", n)
				if w.disk.hits.Load() == 0 {
					break
				}
			}
			require.Positive(t, crashes.Load())
			t.Logf("%d crashes", crashes.Load())
		})
	}
}
