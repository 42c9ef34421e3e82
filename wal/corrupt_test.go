package wal

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs/vfstest"
)

// logOf returns the content of a log that a script wrote.
func logOf(t *testing.T, steps ...step) (log []byte, s *script) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	s = new(script)
	require.NoError(t, s.play(mem, steps))
	return content(t, mem), s
}

// altered calls do with the log after each single change of a byte: every bit flipped (one bit
// for each byte in quick tests), and all bits inverted.
func altered(t *testing.T, log []byte, do func(log []byte, at int, to string)) {
	step := density.Of(t, 8, 1, 1)
	for at, original := range log {
		for bit := at % step; bit < 8; bit += step {
			log[at] = original ^ 1<<bit
			do(log, at, "flipped")
		}
		log[at] = ^original
		do(log, at, "inverted")
		log[at] = original
	}
}

// grouped is a script with several synced groups of records.
var grouped = []step{
	add(10), syncAllBut(0), add(20), add(30), syncAllBut(0), add(700), add(100), syncAllBut(0), add(40), flush,
	add(600), add(50), flush,
}

func TestAnyChangedByteOfACleanLogIsCorruption(t *testing.T) {
	for _, steps := range [][]step{append(grouped[:len(grouped):len(grouped)], closeClean), scripts["buffered"], scripts["empty"]} {
		log, s := logOf(t, steps...)
		s.requireKept(t, memOf(t, log))
		altered(t, log, func(log []byte, at int, how string) {
			_, _, _, err := read(memOf(t, log))
			require.ErrorIs(t, err, ErrCorrupt, "byte %d of %d %s", at, len(log), how)
		})
	}
}

// A crash may leave any prefix of a log. The reader must not report the prefix as a complete log.
func TestTruncatedLogIsAPrefixAndNotClean(t *testing.T) {
	log, s := logOf(t, append(grouped[:len(grouped):len(grouped)], closeClean)...)
	for size := range log {
		records, _, o, err := read(memOf(t, log[:size]))
		require.NoError(t, err)
		require.False(t, o.Clean)
		if size >= headerBytes {
			require.Equal(t, s.w.Identity(), o.Identity)
		}
		require.Equal(t, o.Torn, o.Size < int64(size))
		for i, record := range records {
			require.Equal(t, s.begun[i], record)
		}
		for i := len(records); i < len(s.ends); i++ {
			require.Greater(t, int(s.ends[i]), frameBefore(log, size))
		}
	}
	for more := range 50 { // no bytes may follow the end frame
		_, _, _, err := read(memOf(t, append(bytes.Clone(log), make([]byte, more+1)...)))
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// knownSynced returns the highest position that the frames of an undamaged log declare
// durable.
func knownSynced(log []byte) (synced int) {
	at := frames(log)
	for _, i := range at[:len(at)-1] {
		synced = max(synced, int(binary.BigEndian.Uint64(log[i+8:])))
	}
	return synced
}

func TestDamageIsCorruptionInSyncedDataAndATornTailAfterIt(t *testing.T) {
	for cut := 3; cut <= len(grouped); cut++ {
		log, s := logOf(t, grouped[:cut]...)
		known := knownSynced(log)
		altered(t, log, func(log []byte, at int, how string) {
			records, ends, o, err := read(memOf(t, log))
			if at < known {
				require.ErrorIs(t, err, ErrCorrupt, "byte %d of %d %s", at, len(log), how)
				return
			}
			require.NoError(t, err, "byte %d of %d %s", at, len(log), how)
			require.True(t, o.Torn)
			require.LessOrEqual(t, int(o.Size), at)
			for i, record := range records {
				require.Equal(t, s.begun[i], record)
				require.Equal(t, s.ends[i], ends[i])
			}
			for i := len(records); i < len(s.ends); i++ {
				require.Greater(t, int(s.ends[i]), known)
			}
		})
	}
}

// A mark protects the group that was synced last, even if nothing was written after it.
func TestDamageToTheLastSyncedGroupIsCorruption(t *testing.T) {
	for cut := 1; cut <= len(grouped); cut++ {
		log, s := logOf(t, grouped[:cut]...)
		if s.acknowledged == 0 || s.acknowledged < len(s.ends) {
			continue
		}
		synced := int(s.ends[s.acknowledged-1])
		require.Equal(t, synced+frameBytes, len(log))
		altered(t, log, func(log []byte, at int, how string) {
			records, _, o, err := read(memOf(t, log))
			if at < synced {
				require.ErrorIs(t, err, ErrCorrupt, "byte %d of %d %s", at, len(log), how)
				return
			}
			require.NoError(t, err)
			require.Equal(t, s.begun, records)
			require.True(t, o.Torn)
		})
	}
}

// The frame header that proves damage may be at any position, and may cross the border of the
// reader's window.
func TestProofOfCorruptionIsFoundAtAnyPosition(t *testing.T) {
	for ahead := -150; ahead < 0; ahead++ {
		b := built(someIdentity, 1, 0)
		at := b.frame('D', 0, sequence(make([]byte, windowBytes+ahead)))
		proof := b.frame('D', 0, sequence([]byte("r")))
		b.frame('D', at, sequence([]byte("r")))
		for _, damage := range []int{0, headerBytes, at - 1} {
			log := bytes.Clone(b.log)
			log[damage] ^= 1
			_, _, _, err := read(memOf(t, log))
			require.ErrorIs(t, err, ErrCorrupt)
			_, _, _, err = read(memOf(t, log[:proof+frameBytes-1]))
			require.NoError(t, err)
			_, _, _, err = read(memOf(t, log[:proof+frameBytes]))
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
}

// If the tail of the file comes from another log, with frames at the same positions and correct
// checksums, the reader returns only records of the first log.
func TestBytesOfAnotherLogAreATornTail(t *testing.T) {
	log, s := logOf(t, grouped[:6]...)
	other, _ := logOf(t, append(grouped[:len(grouped):len(grouped)], closeClean)...)
	for cut := headerBytes; cut < len(log); cut++ {
		records, _, o, err := read(memOf(t, append(bytes.Clone(log[:cut]), other[cut:]...)))
		require.NoError(t, err)
		require.False(t, o.Clean)
		for i, record := range records {
			require.Equal(t, s.begun[i], record)
		}
	}
}

// The reader does not accept a frame that was copied over another frame.
func TestMisplacedFramesAreNotRead(t *testing.T) {
	log, s := logOf(t, add(10), syncAllBut(0), add(10), syncAllBut(0), add(10), syncAllBut(0), add(10), syncAllBut(0))
	at := dataFrames(log)
	require.Len(t, at, 5)
	for n := range 4 * 4 * 2 {
		i, j, withMark := n%4, n/4%4, n/16 == 1
		if i != j {
			moved := bytes.Clone(log)
			to := moved[at[j]:at[j+1]]
			if !withMark {
				to = to[:len(to)-frameBytes]
			}
			copy(to, log[at[i]:])
			records, _, _, err := read(memOf(t, moved))
			if j < 3 || !withMark { // a later frame, or the last mark, proves the corruption
				require.ErrorIs(t, err, ErrCorrupt)
			} else {
				require.NoError(t, err)
			}
			for k, record := range records {
				require.Equal(t, s.begun[k], record)
			}
		}
	}
}
