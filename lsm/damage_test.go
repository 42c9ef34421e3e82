package lsm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/wal"
)

// Whatever happens to one file of a store, reading it is an error or the right
// answer. The right answer is what the store had, but for what a log or a manifest
// may lose (docs/format-wal.md):
//
//   - Of a log that was not closed, the end of what was not synced: then it is an
//     earlier state, no earlier than what was synced, or is in tables.
//   - Of a log or a manifest that was cut behind a record, what came after it: a
//     crash leaves the same. It is an earlier state, or an error.

var (
	damageBits = flag.Int("lsm.damagebits", 0, "bits that are flipped in each byte, one by one; default by WEIR_TESTS: 1, 1 or 8")
	damageStep = flag.Int("lsm.damagestep", 0, "every how many bytes files are cut, and tables inverted; default by WEIR_TESTS: 3, 3 or 1")
)

// markBytes is the size of the mark at the end of a log that was synced and not
// closed: nothing is behind it to tell that it is damaged, and nothing is lost.
const markBytes = 36

// everyStore calls a function with each store.
func everyStore(t *testing.T, do func(t *testing.T, d *damagedStore)) {
	for name := range damageStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, newDamagedStore(t, name))
		})
	}
}

// everyFile calls a function with each file of each store.
func everyFile(t *testing.T, do func(t *testing.T, d *damagedStore, file string, content []byte)) {
	everyStore(t, func(t *testing.T, d *damagedStore) {
		for _, file := range d.files(t) {
			do(t, d, file, contentOfFile(t, d.disk, d.path(file)))
		}
	})
}

// damageStride is the distance from one damage to the next in everybody's run, of those
// that a campaign does.
const damageStride = 60

// steps are the positions in a file, n apart, or a sample of them.
func steps(t *testing.T, size, n int, do func(at int)) {
	n *= density.Of(t, damageStride, 1, 1)
	for at := 0; at < size; at += n {
		do(at)
	}
}

func damagesStep(t *testing.T) int { return sample(t, damageStep, 3, 3, 1) }

// altered calls a function with a file in which one byte is another: bits of each
// are flipped, all of them in a small file, and some are inverted.
func altered(t *testing.T, content []byte, do func(content []byte, at int)) {
	bits, step := sample(t, damageBits, 1, 1, 8), damagesStep(t)
	if len(content) < 100 {
		bits = 8
	}
	steps(t, len(content), 1, func(at int) {
		was := content[at]
		for i := range bits {
			content[at] = was ^ 1<<((at+i)%8)
			do(content, at)
		}
		if at%step == 0 {
			content[at] = ^was
			do(content, at)
		}
		content[at] = was
	})
}

func TestDamagedStoresHaveEverythingThatFilesHave(t *testing.T) {
	everyStore(t, func(t *testing.T, d *damagedStore) {
		c, manifest, err := manifest.Read(context.Background(), d.disk, d.dir)
		require.NoError(t, err)
		require.Equal(t, strings.HasPrefix(d.name, "closed"), c.Closed)
		edits := 0
		_, err = wal.Read(context.Background(), d.disk, d.path(manifest), func([]byte, int64) error { edits++; return nil })
		require.NoError(t, err)
		require.Greater(t, edits, 4)
		logs, err := c.Logs(d.files(t))
		require.NoError(t, err)
		j := d.judge(d.disk.CrashClone(vfstest.CrashOptions{}))
		if strings.Contains(d.name, "cut off, with a ") {
			require.Greater(t, len(logs), 1)
			require.Greater(t, j.report.Tables, len(c.Tables), "one of which only a log speaks")
		} else {
			require.Empty(t, logs)
		}

		o := d.o
		o.FS = d.disk.CrashClone(vfstest.CrashOptions{})
		db, err := Open(context.Background(), d.dir, o)
		require.NoError(t, err)
		deep, tombstones, ranges := 0, int64(0), 0
		for level, files := range db.versions.Current().Tree.Levels {
			for _, f := range files {
				deep, tombstones, ranges = deep+level, tombstones+f.Tombstones, ranges+len(f.Table.Ranges())
			}
		}
		require.Positive(t, deep)
		require.Positive(t, tombstones)
		require.Positive(t, ranges)
		require.NoError(t, db.Close())
	})
}

// Check sees every byte that is not as it was written, but for those that a crash
// might have left so: of a log that was not closed, the mark at its end, and what
// was not synced.
func TestEveryByteOfAStoreIsKnown(t *testing.T) {
	everyFile(t, func(t *testing.T, d *damagedStore, file string, content []byte) {
		kind, known := directory.KindOf(file), len(content)
		if kind == directory.LogFile || kind == directory.ManifestFile {
			known = d.knownOf(t, file, len(content))
		}
		altered(t, content, func(content []byte, at int) {
			j := d.judge(d.with(t, file, content))
			floor := len(d.states) - 1
			if kind == directory.LogFile && at >= known && d.unsynced {
				floor = d.floor
			}
			d.require(t, j, file, floor, fmt.Sprintf("byte %d of %s", at, file))
			if at < known {
				requireSeen(t, j, file, fmt.Sprintf("byte %d of %s", at, file))
			} else {
				require.NoError(t, j.err, "byte %d of %s", at, file)
			}
		})
	})
}

// knownOf is up to where damage to a log or a manifest is known to be none that a
// crash has left.
func (d *damagedStore) knownOf(t *testing.T, file string, size int) int {
	outcome, err := wal.Read(context.Background(), d.disk, d.path(file), func([]byte, int64) error { return nil })
	require.NoError(t, err)
	switch {
	case outcome.Clean:
		return size
	case directory.KindOf(file) == directory.LogFile && d.unsynced:
		return 0
	}
	return size - markBytes
}

// A file that is cut is known to be, but for the end of a log and of a manifest,
// which a crash may have cut.
func TestEveryFileThatIsCutIsKnownOrAnEarlierState(t *testing.T) {
	everyFile(t, func(t *testing.T, d *damagedStore, file string, content []byte) {
		kind := directory.KindOf(file)
		steps(t, len(content), damagesStep(t), func(size int) {
			j := d.judge(d.with(t, file, content[:size]))
			d.require(t, j, d.namedFor(file, j), d.floorOfCut(file), fmt.Sprintf("%s cut to %d of %d", file, size, len(content)))
			if kind == directory.TableFile || kind == directory.CurrentFile {
				require.Error(t, j.err, "%s cut to %d", file, size)
			}
		})
	})
}

// floorOfCut is the earliest state that a cut of a file may leave. Tables speak for
// what they have whatever is cut of logs; the manifest speaks for tables.
func (d *damagedStore) floorOfCut(file string) int {
	switch directory.KindOf(file) {
	case directory.LogFile:
		return d.floor
	case directory.ManifestFile:
		return 0
	}
	return len(d.states) - 1
}

// namedFor returns the file that Check names for damage to another file. A cut manifest or log is
// detected by a file that it named, or by the file after it.
func (d *damagedStore) namedFor(file string, j judgement) string {
	kind := directory.KindOf(file)
	if (kind == directory.ManifestFile || kind == directory.LogFile) && len(j.report.Problems) > 0 {
		return j.report.Problems[0].File
	}
	return file
}

// A file that is missing, empty, a directory, or another of its kind is known to
// be. Only the last log may be empty: a crash leaves that.
func TestEveryFileThatIsAnotherIsKnown(t *testing.T) {
	everyStore(t, func(t *testing.T, d *damagedStore) {
		twin := newDamagedStore(t, d.name) // the same but for identities
		twin.name = "another store"
		for _, file := range d.files(t) {
			known := func(what string, disk *vfstest.Mem) {
				j := d.judge(disk)
				require.Error(t, j.err, "%s is %s", file, what)
				d.require(t, j, j.report.Problems[0].File, 0, fmt.Sprintf("%s is %s", file, what))
			}
			known("missing", d.with(t, file, nil))
			isDirectory := d.with(t, file, nil)
			require.NoError(t, isDirectory.MkdirAll(d.path(file)))
			known("a directory", isDirectory)
			if file != d.lastLog(t) {
				known("empty", d.with(t, file, []byte{}))
			}
			for _, of := range []*damagedStore{d, twin} {
				for _, other := range of.files(t) {
					if directory.KindOf(other) == directory.KindOf(file) && (other != file || of == twin) {
						known(other+" of "+of.name, d.with(t, file, contentOfFile(t, of.disk, of.path(other))))
					}
				}
			}
		}
	})
}

// lastLog returns the name of the log that has not ended, or an empty string.
func (d *damagedStore) lastLog(t *testing.T) string {
	names := d.files(t)
	numbers := directory.LogNumbers(names, 1)
	if len(numbers) == 0 {
		return ""
	}
	return directory.LogName(numbers[len(numbers)-1])
}

// A directory in the place of the lock keeps everybody out, and is no damage.
func TestALockThatIsADirectory(t *testing.T) {
	d := newDamagedStore(t, "closed, with a log")
	disk := d.with(t, directory.LockName, nil)
	require.NoError(t, disk.MkdirAll(d.path(directory.LockName)))
	j := d.judge(disk)
	require.ErrorIs(t, j.err, syscall.EISDIR)
	require.ErrorIs(t, j.checkErr, syscall.EISDIR)
	require.NoError(t, disk.Remove(d.path(directory.LockName)))
	require.Equal(t, len(d.states)-1, d.stateOf(d.judge(disk)))
}

// Restore of a damaged store returns an error, or makes a store with the same damage. It never
// makes a store with other content.
func TestRestoresOfDamagedStoresAreKnown(t *testing.T) {
	d := newDamagedStore(t, "closed, without a log")
	twin := newDamagedStore(t, d.name)
	for _, file := range d.files(t) {
		content := contentOfFile(t, d.disk, d.path(file))
		altered(t, content, func(content []byte, at int) {
			d.requireRestore(t, d.with(t, file, content), fmt.Sprintf("byte %d of %s", at, file))
		})
		steps(t, len(content), damagesStep(t), func(size int) {
			d.requireRestore(t, d.with(t, file, content[:size]), fmt.Sprintf("%s cut to %d of %d", file, size, len(content)))
		})
		d.requireRestore(t, d.with(t, file, nil), fmt.Sprintf("%s is missing", file))
		d.requireRestore(t, d.with(t, file, contentOfFile(t, twin.disk, d.path(file))), fmt.Sprintf("%s of another store", file))
	}
}

// requireRestore restores from a disk with damage in two parts, whose tables are
// clipped.
func (d *damagedStore) requireRestore(t *testing.T, disk *vfstest.Mem, what string) {
	t.Helper()
	o := d.o
	o.FS = disk
	err := Restore(t.Context(), "to", []Part{{Dir: d.dir, From: nil, To: []byte("c")}, {Dir: d.dir, From: []byte("c"), To: nil}}, o)
	if err != nil {
		require.True(t, isTyped(err) || errors.Is(err, ErrInvalidOption), "%s: %v", what, err)
		c, err := manifest.ReadCurrent(disk, "to")
		require.NoError(t, err)
		require.Zero(t, c.Number, what)
		return
	}
	to := *d
	to.dir = "to"
	j := to.judge(disk)
	require.ErrorIs(t, j.checkErr, ErrCorrupt, what)
	to.require(t, j, j.report.Problems[0].File, len(d.states)-1, what)
}
