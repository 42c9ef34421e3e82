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

var faultStride = flag.Int("lsm.faultstride", 0, "after how many operations of a story the next fault is; default by WEIR_TESTS: 400, 23 or 3")

// faultsStride is the distance from fault to fault.
func faultsStride(t *testing.T) int { return sample(t, faultStride, 400, 23, 3) }

// fault is a way in which operations of a disk fail.
type fault struct {
	cause   error
	lasting bool
	kinds   []vfstest.Op // empty: all
}

// faults are by name. On a full disk, what takes no room succeeds.
var faults = map[string]fault{
	"once":        {syscall.EIO, false, nil},
	"for good":    {syscall.EIO, true, nil},
	"full once":   {fullDisk, false, nil},
	"full":        {fullDisk, true, []vfstest.Op{vfstest.OpWrite, vfstest.OpCreate, vfstest.OpLink, vfstest.OpMkdirAll}},
	"a read":      {syscall.EIO, false, []vfstest.Op{vfstest.OpRead, vfstest.OpReadAt}},
	"all reads":   {syscall.EIO, true, []vfstest.Op{vfstest.OpRead, vfstest.OpReadAt}},
	"a sync":      {syscall.EIO, false, []vfstest.Op{vfstest.OpSync, vfstest.OpSyncDir}},
	"all renames": {syscall.EIO, true, []vfstest.Op{vfstest.OpRename}},
	"all removes": {syscall.EIO, true, []vfstest.Op{vfstest.OpRemove}},
}

// fullDisk writes half before it finds no room.
var fullDisk = vfstest.ShortWrite(syscall.ENOSPC)

// plan is for the n-th operation of the fault's kinds.
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

// Whichever operation fails, once or for good: each call gives an error that
// says so, or does what it should. Nothing that was promised is lost, nothing is
// left open, and without the fault the store works as before.
func TestAnyOperationMayFail(t *testing.T) {
	offset := 0
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		stride := faultsStride(t)
		if name == "whole" && stride > 1 { // it has large values
			stride *= 4
		}
		for _, logName := range slices.Sorted(maps.Keys(logModes)) {
			for _, pickerName := range slices.Sorted(maps.Keys(storyPickers)) {
				tell := func(f fault, n int) *faultStory {
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
					good := tell(fault{cause: syscall.EIO}, math.MaxInt)
					require.NoError(t, good.wrong)
					require.Zero(t, good.errors)
					runs := 0
					for _, faultName := range slices.Sorted(maps.Keys(faults)) {
						f := faults[faultName]
						operations := good.disk.Count(f.kinds...)
						require.NotZero(t, operations)
						offset += 7 // so that all of them together see each operation
						for n := offset % stride; n < operations; n += stride {
							require.NoError(t, tell(f, n).wrong, "fault %q at %d", faultName, n)
							runs++
						}
					}
					t.Logf("%d faults, %d operations", runs, good.disk.Count())
				})
			}
		}
	}
}

// newFaultStory returns an faultStory with a fault at the n-th operation of its kinds.
func newFaultStory(t *testing.T, f fault, n int, mode LogMode, memtableBytes int64) *faultStory {
	disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), f.plan(n))
	return &faultStory{story: newStory(t, disk, mode, memtableBytes), disk: disk, cause: f.cause, lasting: f.lasting}
}
