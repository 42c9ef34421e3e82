package lsm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs/vfstest"
)

// ballastBytes is the size of the file that a test removes to make space. It is more than a story needs.
const ballastBytes = 8 << 20

const ballastName = "ballast"

// smallDisk returns a disk with freeBytes of free space. A test removes the file ballastName to free more.
func smallDisk(t *testing.T, freeBytes int64) *faultyDisk {
	mem := vfstest.NewMem(vfstest.MemOptions{MaxBytes: ballastBytes + freeBytes})
	f, err := mem.Create(ballastName)
	require.NoError(t, err)
	_, err = f.Write(make([]byte, ballastBytes))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return newFaultyDisk(mem, func(vfstest.Call) error { return nil })
}

// The stories run on disks of increasing sizes that are too small. Each call succeeds or returns ENOSPC,
// and no promised write is lost. Repeated calls of Open use no more space, and after space is freed
// the store works again.
func TestStoreSurvivesAFullDiskOfAnySize(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		for logName, mode := range logModes {
			t.Run(name+"/"+logName, func(t *testing.T) {
				runs := 0
				steps := density.Of[int64](t, 1, 8, 8) // sizes tried before the size doubles
				for free := int64(0); ; free += max(int64(faultsStride(t)), free/steps) {
					runs++
					disk := smallDisk(t, free)
					o := &faultStory{story: newStory(t, disk, mode, memtableBytesOf(name)), disk: disk, cause: syscall.ENOSPC, lasting: true}
					o.takeSteps(stories[name])
					o.close()
					o.openWhileFull()
					o.expectNoError("free space", disk.mem.Remove(ballastName))
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

// openWhileFull opens the store several times. A failed Open must not leave more files than the Open
// before it. A successful Open must remove the leftovers of failed ones. The number of files after a
// success is not checked, because it depends on the progress of the workers before Close.
func (o *faultStory) openWhileFull() {
	files, failed := 0, false
	var leftovers []string
	for i := range 4 {
		db, err := Open(context.Background(), storyDir, o.o)
		o.expect(err)
		if err == nil {
			o.expect(db.Close())
		}
		o.expectNoError("open handles after Open on a full disk", nothingOpen(o.disk))
		names, _ := o.disk.mem.List(storyDir)
		switch {
		case err == nil:
			for _, name := range leftovers {
				if slices.Contains(names, name) {
					o.violate(fmt.Errorf("Open has not removed the leftover %s: %v", name, names))
				}
			}
		case failed && i > 1 && len(names) > files:
			o.violate(fmt.Errorf("a second failed Open leaves %d files, the first left %d: %v", len(names), files, names))
		}
		files, failed, leftovers = len(names), err != nil, o.leftovers()
	}
}

// leftovers returns the files of the directory that the store does not use.
func (o *faultStory) leftovers() []string {
	checked := o.o
	checked.FS = o.disk.mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	report, err := Check(context.Background(), storyDir, checked)
	if err != nil { // the store has not been made
		return nil
	}
	return report.Leftovers
}
