package lsm

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs/vfstest"
)

// ballastBytes is more than a story needs.
const ballastBytes = 8 << 20

const ballastName = "ballast"

// smallDisk returns a disk on which so many bytes are free. More are when its
// ballast is removed.
func smallDisk(t *testing.T, freeBytes int64) *faultyDisk {
	mem := vfstest.NewMem(vfstest.MemOptions{MaxBytes: ballastBytes + freeBytes})
	f, err := mem.Create(ballastName)
	require.NoError(t, err)
	_, err = f.Write(make([]byte, ballastBytes))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return newFaultyDisk(mem, func(vfstest.Call) error { return nil })
}

// Whatever the size of a disk that is too small: calls give ENOSPC or do what
// they should, and nothing that was promised is lost. Opening the store again and
// again does not make it worse, and once there is room everything works.
func TestAnyDiskMayBeTooSmall(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		for logName, mode := range logModes {
			t.Run(name+"/"+logName, func(t *testing.T) {
				runs := 0
				steps := density.Of[int64](t, 1, 8, 8) // by which sizes are apart
				for free := int64(0); ; free += max(int64(faultsStride(t)), free/steps) {
					runs++
					disk := smallDisk(t, free)
					o := &ordeal{story: newStory(t, disk, mode, memtableOf(name)), disk: disk, cause: syscall.ENOSPC, lasting: true}
					o.endure(stories[name])
					o.close()
					o.openWhileFull()
					o.expectNone("free space", disk.mem.Remove(ballastName))
					o.recover(runs%2 == 0)
					require.NoError(t, o.wrong, "%d bytes", free)
					if o.errors == 0 {
						break
					}
				}
				t.Logf("%d sizes", runs)
			})
		}
	}
}

// openWhileFull opens the store some times. From the second time on nothing more
// is left of that.
func (o *ordeal) openWhileFull() {
	files := 0
	for i := range 4 {
		db, err := Open(storyDir, &o.o)
		o.expect(err)
		if err == nil {
			o.expect(db.Close())
		}
		o.expectNone("opened while the disk is full", nothingOpen(o.disk))
		names, _ := o.disk.mem.List(storyDir)
		if i > 1 && len(names) > files {
			o.violate(fmt.Errorf("another open leaves %d files, not %d: %v", len(names), files, names))
		}
		files = len(names)
	}
}
