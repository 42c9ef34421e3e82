package checkpoint

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The n-th operation on the disk fails, for many n, once or with all operations after it. Each
// checkpoint fails or completes, earlier ones can be restored, and after the faults end no
// orphan is left: see simulation.end.
func TestFailingOperationFailsOnlyItsCheckpoint(t *testing.T) {
	for name, options := range scriptOptions {
		t.Run(name, func(t *testing.T) { failEveryOperation(t, options) })
	}
}

func failEveryOperation(t *testing.T, options simOptions) {
	const forGood = 1 << 30
	for name, way := range map[string]simFaults{
		"EIO once":          {count: 1, err: syscall.EIO},
		"ENOSPC once":       {count: 1, err: syscall.ENOSPC},
		"half a write once": {count: 1, err: vfstest.ShortWrite(syscall.EIO)},
		"EIO twice":         {count: 2, err: syscall.EIO},
		"EIO for good":      {count: forGood, err: syscall.EIO},
		"full from then on": {count: forGood, err: vfstest.ShortWrite(syscall.ENOSPC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The kind of error matters little, so quick tests try EIO once and permanent
			// errors on more operations than the others; dense tests try all on every
			// operation. The steps between the operations are random, because the operations
			// repeat in a pattern: two of three are stat calls on parent directories.
			faults, step, rng := 0, density.Of(t, 200, 20, 1), rand.New(rand.NewPCG(1, 1))
			if name == "EIO once" || way.count == forGood {
				step = density.Of(t, 100, 3, 1)
			}
			for n := 0; ; n += 1 + rng.IntN(2*step-1) {
				s := newSimulation(options, nil, nil)
				s.failing = way
				s.failing.after = n
				s.script()
				failed := s.failing.count < way.count
				if s.violation == nil {
					s.end(modelOperators(2, 1, 1))
				}
				require.NoError(t, s.violation, "operation %d", n)
				if !failed {
					require.Equal(t, 6, s.reported)
					break
				}
				faults++
			}
			t.Log(faults, "faults")
		})
	}
}

// On a full disk checkpoints fail, and complete ones are kept. With more space the job
// continues.
func TestFullDiskFailsCheckpointsAndLosesNothing(t *testing.T) {
	for name, options := range scriptOptions {
		t.Run(name, func(t *testing.T) { fillTheDisk(t, options) })
	}
}

func fillTheDisk(t *testing.T, options simOptions) {
	whole := newSimulation(options, nil, nil)
	whole.script()
	require.NoError(t, whole.violation)
	completed := make(map[int]bool)
	for room, step := int64(0), density.Of(t, int64(401), 97, 1); room < 8_000; room += step {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			s := newSimulation(options, nil, nil)
			s.mem = vfstest.NewMem(vfstest.MemOptions{MaxBytes: max(room, 1)})
			s.script()
			require.NoError(t, s.violation)
			completed[s.reported] = true
			after := s.fork(withoutLimit(t, s.mem))
			after.end(modelOperators(2, 1, 1))
			require.NoError(t, after.violation)
		})
	}
	require.True(t, completed[0] && completed[whole.reported] && len(completed) > 2, "%v", completed)
}

// withoutLimit copies a disk to one without a size limit.
func withoutLimit(t *testing.T, full *vfstest.Mem) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	copyTree(t, full, mem, "")
	return mem
}

func copyTree(t *testing.T, from, to *vfstest.Mem, dir string) {
	names, err := from.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		path := dir + "/" + name
		info, err := from.Stat(path)
		require.NoError(t, err)
		if info.IsDir() {
			require.NoError(t, to.MkdirAll(path))
			copyTree(t, from, to, path)
			continue
		}
		data := make([]byte, info.Size())
		file, err := from.Open(path)
		require.NoError(t, err)
		if len(data) > 0 {
			_, err = file.ReadAt(data, 0)
			require.NoError(t, err)
		}
		copied, err := to.Create(path)
		require.NoError(t, err)
		_, err = copied.Write(data)
		require.NoError(t, err)
	}
}
