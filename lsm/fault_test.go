package lsm

import (
	"flag"
	"maps"
	"math"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

var faultStride = flag.Int("lsm.faultstride", 0, "number of operations of a story from one fault to the next; default by WEIR_TESTS: 400, 23 or 3")

// faultsStride returns the number of operations from one fault to the next.
func faultsStride(t *testing.T) int { return sample(t, faultStride, 400, 23, 3) }

// fault describes which operations of a disk fail, and how.
type fault struct {
	cause   error
	lasting bool         // all later operations fail too
	kinds   []vfstest.Op // the operations that fail; empty: all
}

// faults holds the faults by name. On a full disk, operations that need no space succeed.
var faults = map[string]fault{
	"once":        {syscall.EIO, false, nil},
	"forever":     {syscall.EIO, true, nil},
	"full once":   {fullDisk, false, nil},
	"full":        {fullDisk, true, []vfstest.Op{vfstest.OpWrite, vfstest.OpCreate, vfstest.OpLink, vfstest.OpMkdirAll}},
	"a read":      {syscall.EIO, false, []vfstest.Op{vfstest.OpRead, vfstest.OpReadAt}},
	"all reads":   {syscall.EIO, true, []vfstest.Op{vfstest.OpRead, vfstest.OpReadAt}},
	"a sync":      {syscall.EIO, false, []vfstest.Op{vfstest.OpSync, vfstest.OpSyncDir}},
	"all renames": {syscall.EIO, true, []vfstest.Op{vfstest.OpRename}},
	"all removes": {syscall.EIO, true, []vfstest.Op{vfstest.OpRemove}},
}

// fullDisk makes writes fail with ENOSPC after half of the bytes.
var fullDisk = vfstest.ShortWrite(syscall.ENOSPC)

// plan returns a plan that starts the fault at operation n of its kinds.
func (f fault) plan(n int) vfstest.Plan {
	if f.lasting {
		return vfstest.FailFrom(n, f.cause, f.kinds...)
	}
	return vfstest.FailNth(n, f.cause, f.kinds...)
}

var storyPickers = map[string]func() Picker{
	"leveled": func() Picker { return endingEarly{NewLeveled()} },
	"tiered":  func() Picker { return NewTiered(2) },
}

// The test lets each operation (or a sample) fail, once or permanently. Each call of the store must
// succeed or return the error of the fault. No promised write may be lost, no handle may stay open, and
// the store must work after the fault is lifted.
func TestStoreSurvivesAFaultAtAnyOperation(t *testing.T) {
	offset := 0
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		stride := faultsStride(t)
		if name == "whole" && stride > 1 { // it has large values
			stride *= 4
		}
		for _, logName := range slices.Sorted(maps.Keys(logModes)) {
			for _, pickerName := range slices.Sorted(maps.Keys(storyPickers)) {
				play := func(f fault, n int) *faultStory {
					o := newFaultStory(t, f, n, logModes[logName], memtableBytesOf(name))
					o.o.Picker = storyPickers[pickerName]()
					if name == "busy" {
						o.manifestBytes = 700 // a few edits
					}
					o.takeSteps(stories[name])
					o.close()
					o.recover(n%2 == 0)
					return o
				}
				t.Run(name+"/"+logName+"/"+pickerName, func(t *testing.T) {
					good := play(fault{cause: syscall.EIO}, math.MaxInt)
					require.NoError(t, good.wrong)
					require.Zero(t, good.errors)
					runs := 0
					for _, faultName := range slices.Sorted(maps.Keys(faults)) {
						f := faults[faultName]
						operations := good.disk.Count(f.kinds...)
						require.NotZero(t, operations)
						offset += 7 // so that the faults together reach every operation
						for n := offset % stride; n < operations; n += stride {
							require.NoError(t, play(f, n).wrong, "fault %q at %d", faultName, n)
							runs++
						}
					}
					t.Logf("%d faults, %d operations", runs, good.disk.Count())
				})
			}
		}
	}
}

// newFaultStory returns a faultStory whose fault starts at operation n of the fault's kinds.
func newFaultStory(t *testing.T, f fault, n int, mode LogMode, memtableBytes int64) *faultStory {
	disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), f.plan(n))
	return &faultStory{story: newStory(t, disk, mode, memtableBytes), disk: disk, cause: f.cause, lasting: f.lasting}
}
