package wal

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// script is a sequence of calls to a Writer, with the guarantees given so far.
type script struct {
	w            *Writer
	begun        [][]byte // records, added before their Append
	ends         []int64  // positions returned by Append
	acknowledged int      // number of records that SyncTo has declared durable
	closing      bool
	closed       bool // Close(true) returned nil
}

// step is a part of a script.
type step func(s *script) error

// add appends a record whose bytes are its number.
func add(size int) step {
	return func(s *script) error {
		record := bytes.Repeat([]byte{byte(len(s.begun) + 1)}, size)
		s.begun = append(s.begun, record)
		end, err := s.w.Append(record)
		if err == nil {
			s.ends = append(s.ends, end)
		}
		return err
	}
}

func flush(s *script) error { return s.w.Flush() }

// syncAllBut syncs all records except the given number of last records.
func syncAllBut(last int) step {
	return func(s *script) error {
		count := len(s.ends) - last
		err := s.w.SyncTo(s.ends[count-1])
		if err == nil {
			s.acknowledged = max(s.acknowledged, count)
		}
		return err
	}
}

func closeClean(s *script) error {
	s.closing = true
	err := s.w.Close(true)
	if err == nil {
		s.acknowledged, s.closed = len(s.begun), true
	}
	return err
}

// scripts are played with a buffer of 512 bytes, so longer records span several frames.
var scripts = map[string][]step{
	"synced": {
		add(10), syncAllBut(0), add(20), add(30), syncAllBut(1), add(0), syncAllBut(0), add(500), add(100),
		syncAllBut(1), flush, add(3000), add(7), syncAllBut(0), add(5), flush, add(6), add(400), add(400), syncAllBut(3),
		add(1), closeClean,
	},
	"buffered": {
		add(10), add(100), flush, add(300), add(600), add(1500), add(1), flush, add(2), flush, add(450), add(2000), closeClean,
	},
	"empty": {closeClean},
}

// play runs a script until a step fails.
func (s *script) play(fsys vfs.FS, steps []step) error {
	w, err := Create(fsys, logName, Options{BufferBytes: 512})
	if err != nil {
		return err
	}
	s.w = w
	if err := fsys.SyncDir("."); err != nil {
		return err
	}
	for _, do := range steps {
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

// requireKept requires that the log in fsys has a prefix of the begun records that contains all
// acknowledged records.
func (s *script) requireKept(t *testing.T, fsys vfs.FS) {
	records, ends, o, err := read(fsys)
	if s.acknowledged == 0 && err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist) // the file's name was not synced
		return
	}
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(records), s.acknowledged)
	require.LessOrEqual(t, len(records), len(s.begun))
	for i, record := range records {
		require.True(t, bytes.Equal(s.begun[i], record), i)
		if i < len(s.ends) {
			require.Equal(t, s.ends[i], ends[i])
		}
	}
	if o.Clean {
		require.True(t, s.closing)
		require.Equal(t, len(s.begun), len(records))
	}
	if s.closed {
		require.True(t, o.Clean)
	}
	require.False(t, o.Clean && o.Torn)
}

// keptAfterACrash returns ways in which a power cut may treat unsynced data: keep nothing,
// everything, or some of it.
func keptAfterACrash(crash, seeds uint64) []vfstest.CrashOptions {
	kept := []vfstest.CrashOptions{{Keep: 0}, {Keep: 1}}
	for seed := range seeds {
		kept = append(kept, vfstest.CrashOptions{
			Keep: []float64{0.2, 0.5, 0.8}[seed%3], Rand: rand.New(rand.NewPCG(seed, crash)),
			BlockBytes: []int{512, 4096, 16}[seed/3%3],
		})
	}
	return kept
}

func TestCrashAfterAnyOperationLeavesAPrefixWithAllSyncedRecords(t *testing.T) {
	for name, steps := range scripts {
		t.Run(name, func(t *testing.T) {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			var s script
			operations, crashes := uint64(0), 0
			crash := func(vfstest.Op, string) {
				operations++
				for _, kept := range keptAfterACrash(operations, 99) {
					crashes++
					s.requireKept(t, mem.CrashClone(kept))
				}
			}
			require.NoError(t, s.play(vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: crash}), steps))
			crash(0, "")
			t.Logf("%d crashes at %d operations", crashes, operations)
		})
	}
}

// Without a sync only the order is guaranteed: a crash may leave the whole log, or nothing.
func TestCrashMayLoseAllUnsyncedRecords(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var s script
	require.NoError(t, s.play(mem, scripts["buffered"][:12]))
	require.NoError(t, s.w.Close(false))
	records, _, o, err := read(mem.CrashClone(vfstest.CrashOptions{Keep: 1}))
	require.NoError(t, err)
	require.Len(t, records, len(s.begun))
	require.False(t, o.Torn)
	records, _, o, err = read(mem.CrashClone(vfstest.CrashOptions{}))
	require.NoError(t, err)
	require.Empty(t, records)
	require.Equal(t, Outcome{}, o)
}

// Each unsynced block is lost in turn while later blocks remain: the log must end before the hole.
func TestNothingAfterAHoleIsRead(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var s script
	require.NoError(t, s.play(mem, []step{
		add(10), syncAllBut(0), add(700), add(20), flush, add(30), add(40), flush, add(900), flush, add(5), flush,
	}))
	whole := content(t, mem)
	synced := int(s.ends[0])
	for from := synced; from < len(whole); from += 16 {
		holed := bytes.Clone(whole)
		clear(holed[from:min(from+16, len(holed))])
		records, ends, o, err := read(memOf(t, holed))
		require.NoError(t, err)
		require.True(t, o.Torn)
		require.LessOrEqual(t, int(o.Size), from)
		require.NotEmpty(t, records)
		for i, end := range ends {
			require.Equal(t, s.ends[i], end)
		}
		for i := len(records); i < len(s.ends); i++ { // records in complete frames before the hole are not lost
			require.Greater(t, int(s.ends[i]), frameBefore(whole, from))
		}
	}
}
