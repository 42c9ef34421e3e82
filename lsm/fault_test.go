package lsm

import (
	"flag"
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

var faultStride = flag.Int("lsm.faultstride", 0, "after how many operations of a story the next fault is; default 41, more with -short or -race")

// faultsStride is the distance from fault to fault.
func faultsStride() int {
	switch {
	case *faultStride > 0:
		return *faultStride
	case modelUnderRace:
		return 401
	case testing.Short():
		return 199
	}
	return 41
}

// fault is a way in which operations of a disk fail.
type fault struct {
	cause   error
	lasting bool
	plan    func(n int) vfs.Plan
}

func onceFault(err error, kinds ...vfs.Op) fault {
	return fault{err, false, func(n int) vfs.Plan { return vfs.FailNth(n, err, kinds...) }}
}

func lastingFault(err error, kinds ...vfs.Op) fault {
	return fault{err, true, func(n int) vfs.Plan { return vfs.FailFrom(n, err, kinds...) }}
}

// faults are by name. On a full disk, what takes no room succeeds.
var faults = map[string]fault{
	"once":        onceFault(syscall.EIO),
	"for good":    lastingFault(syscall.EIO),
	"full once":   onceFault(fullDisk),
	"full":        lastingFault(fullDisk, vfs.OpWrite, vfs.OpCreate, vfs.OpLink, vfs.OpMkdirAll),
	"a read":      onceFault(syscall.EIO, vfs.OpRead, vfs.OpReadAt),
	"all reads":   lastingFault(syscall.EIO, vfs.OpRead, vfs.OpReadAt),
	"a sync":      onceFault(syscall.EIO, vfs.OpSync, vfs.OpSyncDir),
	"all renames": lastingFault(syscall.EIO, vfs.OpRename),
	"all removes": lastingFault(syscall.EIO, vfs.OpRemove),
}

// fullDisk writes half before it finds no room.
var fullDisk = vfs.ShortWrite(syscall.ENOSPC)

var storyPickers = map[string]func() Picker{
	"leveled": NewLeveled,
	"tiered":  func() Picker { return NewTiered(2) },
}

// Whichever operation fails, once or for good: each call gives an error that
// says so, or does what it should. Nothing that was promised is lost, nothing is
// left open, and without the fault the store works as before.
func TestAnyOperationMayFail(t *testing.T) {
	offset := 0
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		for logName, mode := range logModes {
			for pickerName, picker := range storyPickers {
				t.Run(name+"/"+logName+"/"+pickerName, func(t *testing.T) {
					for faultName, f := range faults {
						offset += 7 // so that all of them together see each operation
						runs := 0
						for n := offset % faultsStride(); ; n += faultsStride() {
							runs++
							o := newOrdeal(f, n, mode, memtableOf(name))
							o.o.Picker = picker()
							require.NoError(t, bounded(func() {
								o.endure(stories[name])
								o.close()
								o.recover(runs%2 == 0)
							}), "fault %q at %d", faultName, n)
							require.NoError(t, o.wrong, "fault %q at %d", faultName, n)
							if o.disk.hits.Load() == 0 {
								break
							}
						}
						t.Logf("fault %q: %d runs", faultName, runs)
					}
				})
			}
		}
	}
}

// newOrdeal returns an ordeal with a fault at the n-th operation of its kinds.
func newOrdeal(f fault, n int, mode LogMode, memtableBytes int64) *ordeal {
	disk := newFaultyDisk(vfs.NewMem(vfs.MemOptions{}), f.plan(n))
	return &ordeal{story: newStory(disk, mode, memtableBytes), disk: disk, cause: f.cause, lasting: f.lasting}
}
