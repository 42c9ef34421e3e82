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

// noRoom are the errors of a disk, a user or a file that may have no more bytes.
// Writes fail with them before or after the first half.
var noRoom = map[string]error{
	"ENOSPC":       syscall.ENOSPC,
	"ENOSPC, half": vfstest.ShortWrite(syscall.ENOSPC),
	"EDQUOT, half": vfstest.ShortWrite(syscall.EDQUOT),
	"EFBIG":        syscall.EFBIG,
	"EFBIG, half":  vfstest.ShortWrite(syscall.EFBIG),
}

// fullSteps do everything that writes to the disk of an open store.
var fullSteps = []storyStep{
	put("a:1", "one"), put("a:2", strings.Repeat("2", 300)), add("a:1", "more"), batchOf("b:", "batch"), put("c:1", strings.Repeat("c", 500)),
	del("a:2"), seal, put("d:1", "dee"), delPrefix("b:"), flush, put("d:2", strings.Repeat("d", 200)), put("e:1", strings.Repeat("large ", storyLarge/5)),
	add("d:1", "!"), delRange("c", "d"), batchOf("a:", strings.Repeat("a", 250)), compact, put("x", "ex"), put("m:01", strings.Repeat("m", 700)),
	put("m:02", strings.Repeat("n", 700)), add("m:01", "+"), seal, put("e:2", "last"),
}

// fullWalk is a story on a disk on which there is no room for a while.
type fullWalk struct {
	*faultStory
	refused int // steps that failed before there was room
	room    int // how many do
}

// take takes steps until a check fails. Steps that fail change nothing, and succeed once there is
// room.
func (w *fullWalk) take(steps []storyStep) {
	for _, step := range steps {
		for err := step(w.story); err != nil && w.wrong == nil; err = step(w.story) {
			w.requireRefused(err)
			w.refused++
			switch {
			case !w.disk.lifted.Load():
				w.disk.lifted.Store(w.refused >= w.room)
			case time.Now().After(w.deadline):
				w.expectNoError("it is refused although there is room", err)
			default: // the flusher has not seen yet that there is
				time.Sleep(100 * time.Microsecond)
			}
		}
		if w.wrong != nil {
			return
		}
	}
}

// requireRefused wants an error that says what is wrong, and that nothing changed.
func (w *fullWalk) requireRefused(err error) {
	if !errors.Is(err, w.cause) || errors.Is(err, ErrFailed) || !errors.Is(err, ErrStalled) && !strings.HasPrefix(err.Error(), "compaction") {
		w.expectNoError("an error that is not one of no room", err)
	}
	got, err := contentOf(w.db)
	w.expectNoError("reads go on", err)
	if !maps.Equal(w.current(), got) {
		w.expectNoError("refused", errors.New("a write that was refused is visible, or one that was not is lost"))
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

// Whichever write is the first without room: acknowledged writes stay, refused writes have changed
// nothing, reads continue, and once there is room writes succeed without opening the store again.
func TestWritesContinueWhenThereIsRoomAgain(t *testing.T) {
	stride := density.Of(t, 41, 1, 1)
	offset := 0
	for _, modeName := range slices.Sorted(maps.Keys(logModes)) {
		for _, causeName := range slices.Sorted(maps.Keys(noRoom)) {
			t.Run(modeName+"/"+causeName, func(t *testing.T) {
				cause := noRoom[causeName]
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
					w.room = 1 + n%3
					w.take([]storyStep{open})
					opened = true
					w.take(fullSteps)
					w.disk.lifted.Store(true)
					w.take([]storyStep{put("a:3", "last"), flush})
					w.expectNoError("content", compareReads(w.story))
					want := w.current()
					left := w.disk.mem.CrashClone(vfstest.CrashOptions{})
					w.expectNoError("after a power cut", holds(withFS(w.o, left), storyDir, want))
					w.expectNoError("Close", w.db.Close())
					w.expectNoError("opened again", holds(withFS(w.o, w.disk.mem), storyDir, want))
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

// While there is no room for a manifest or for CURRENT, and after there is again, a
// power cut after any operation loses nothing that was acknowledged.
func TestACrashAfterAManifestCouldNotBeWritten(t *testing.T) {
	requireCrashesSafe(t, 1, func(c vfstest.Call) bool {
		return strings.Contains(c.Name, directory.ManifestPrefix) || strings.Contains(c.Name, directory.CurrentName)
	})
}

// The same for every other write.
func TestACrashAfterALogOrATableCouldNotBeWritten(t *testing.T) {
	requireCrashesSafe(t, 3, func(c vfstest.Call) bool {
		return strings.Contains(c.Name, directory.LogSuffix) || strings.Contains(c.Name, directory.TableSuffix)
	})
}

// requireCrashesSafe has writes fail that a test chooses, every few of them the first,
// and the power go after every operation from then on.
func requireCrashesSafe(t *testing.T, stride int, which func(vfstest.Call) bool) {
	stride *= density.Of(t, 20, 1, 1)
	for modeName, mode := range logModes {
		t.Run(modeName, func(t *testing.T) {
			t.Parallel()
			var crashes atomic.Int64 // the task's and the workers'
			for n := 0; ; n += stride {
				cause := noRoom[slices.Sorted(maps.Keys(noRoom))[n%len(noRoom)]]
				w := newFullWalk(t, mode, nil, cause)
				w.room = 1 + n%3
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
							left, p := w.promisedAfter(kept, w.disk.mem)
							if err := p.verify(w.o, left); err != nil {
								w.expectNoError("a crash", fmt.Errorf("%d after %v of %s: %w", i, op, file, err))
							}
						}
					},
				})
				for err := open(w.story); err != nil; err = open(w.story) {
					w.disk.lifted.Store(true) // there was no room to make it
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
