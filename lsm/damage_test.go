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

// The tests of this file damage one file of a store. Open and reads then return an error or the right
// content. The right content is that of the undamaged store, except for records that a log or a
// manifest may lose (docs/format-wal.md):
//
//   - A log that was not closed may lose unsynced records at its end. The store then has an earlier
//     state, with all writes that are synced or in tables.
//   - A log or a manifest that is cut after a record loses the later records, as after a crash. The
//     store then has an earlier state, or Open returns an error.

var (
	damageBits = flag.Int("lsm.damagebits", 0, "number of bits to flip in each byte, one at a time; default by WEIR_TESTS: 1, 1 or 8")
	damageStep = flag.Int("lsm.damagestep", 0, "distance in bytes between the positions at which files are cut or bytes inverted; default by WEIR_TESTS: 3, 3 or 1")
)

// markBytes is the size of the sync mark at the end of a log that was synced but not closed. Damage to
// the mark cannot be detected, because no record follows it, and it loses no data.
const markBytes = 36

// forEachStore runs a subtest for each store.
func forEachStore(t *testing.T, do func(t *testing.T, d *damagedStore)) {
	for name := range damageStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			do(t, newDamagedStore(t, name))
		})
	}
}

// forEachFile calls a function for each file of each store.
func forEachFile(t *testing.T, do func(t *testing.T, d *damagedStore, file string, content []byte)) {
	forEachStore(t, func(t *testing.T, d *damagedStore) {
		for _, file := range d.files(t) {
			do(t, d, file, contentOfFile(t, d.disk, d.path(file)))
		}
	})
}

// damageStride is the factor by which a quick run makes fewer changes than a campaign.
const damageStride = 60

// forEachPosition calls a function for every n-th position in a file, or for a sample of these positions.
func forEachPosition(t *testing.T, size, n int, do func(at int)) {
	n *= density.Of(t, damageStride, 1, 1)
	for at := 0; at < size; at += n {
		do(at)
	}
}

func damagesStep(t *testing.T) int { return sample(t, damageStep, 3, 3, 1) }

// forEachChangedByte calls a function for the content of a file with one changed byte. It flips single
// bits of each byte (all bits in a small file) and inverts some bytes.
func forEachChangedByte(t *testing.T, content []byte, do func(content []byte, at int)) {
	bits, step := sample(t, damageBits, 1, 1, 8), damagesStep(t)
	if len(content) < 100 {
		bits = 8
	}
	forEachPosition(t, len(content), 1, func(at int) {
		original := content[at]
		for i := range bits {
			content[at] = original ^ 1<<((at+i)%8)
			do(content, at)
		}
		if at%step == 0 {
			content[at] = ^original
			do(content, at)
		}
		content[at] = original
	})
}

func TestDamagedStoresHaveAllKindsOfRecords(t *testing.T) {
	forEachStore(t, func(t *testing.T, d *damagedStore) {
		c, manifest, err := manifest.Read(context.Background(), d.disk, d.dir)
		require.NoError(t, err)
		require.Equal(t, strings.HasPrefix(d.name, "closed"), c.Closed)
		edits := 0
		_, err = wal.Read(context.Background(), d.disk, d.path(manifest), func([]byte, int64) error { edits++; return nil })
		require.NoError(t, err)
		require.Greater(t, edits, 4)
		logs, err := c.Logs(d.files(t))
		require.NoError(t, err)
		j := d.checkAndRead(d.disk.CrashClone(vfstest.CrashOptions{}))
		if strings.Contains(d.name, "cut off, with a ") {
			require.Greater(t, len(logs), 1)
			require.Greater(t, j.report.Tables, len(c.Tables), "only a log names one of the tables")
		} else {
			require.Empty(t, logs)
		}

		o := d.o
		o.FS = d.disk.CrashClone(vfstest.CrashOptions{})
		db, err := Open(context.Background(), d.dir, o)
		require.NoError(t, err)
		deep, tombstones, ranges := 0, int64(0), 0
		db.lock.Lock() // a compaction may drop files
		for level, files := range db.versions.Current().Tree.Levels {
			for _, f := range files {
				deep, tombstones, ranges = deep+level, tombstones+f.Tombstones, ranges+len(f.Table.Ranges())
			}
		}
		db.lock.Unlock()
		require.Positive(t, deep)
		require.Positive(t, tombstones)
		require.Positive(t, ranges)
		require.NoError(t, db.Close())
	})
}

// Check detects every changed byte, except where a crash could have caused the change: in the mark at
// the end of a log that was not closed, and in unsynced records.
func TestCheckDetectsEveryChangedByte(t *testing.T) {
	forEachFile(t, func(t *testing.T, d *damagedStore, file string, content []byte) {
		kind, detected := directory.KindOf(file), len(content)
		if kind == directory.LogFile || kind == directory.ManifestFile {
			detected = d.detectedBytes(t, file, len(content))
		}
		forEachChangedByte(t, content, func(content []byte, at int) {
			j := d.checkAndRead(d.withFile(t, file, content))
			floor := len(d.states) - 1
			if kind == directory.LogFile && at >= detected && d.unsynced {
				floor = d.floor
			}
			d.require(t, j, file, floor, fmt.Sprintf("byte %d of %s", at, file))
			if at < detected {
				requireReported(t, j, file, fmt.Sprintf("byte %d of %s", at, file))
			} else {
				require.NoError(t, j.err, "byte %d of %s", at, file)
			}
		})
	})
}

// detectedBytes returns the size of the start of a log or a manifest in which Check must detect damage.
// Later damage could be due to a crash.
func (d *damagedStore) detectedBytes(t *testing.T, file string, size int) int {
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

// A cut file is an error, except that a cut log or manifest may also yield an earlier state, because a
// crash can cut these files.
func TestCutFilesAreErrorsOrEarlierStates(t *testing.T) {
	forEachFile(t, func(t *testing.T, d *damagedStore, file string, content []byte) {
		kind := directory.KindOf(file)
		forEachPosition(t, len(content), damagesStep(t), func(size int) {
			j := d.checkAndRead(d.withFile(t, file, content[:size]))
			d.require(t, j, d.reportedFor(file, j), d.floorOfCut(file), fmt.Sprintf("%s cut to %d of %d", file, size, len(content)))
			if kind == directory.TableFile || kind == directory.CurrentFile {
				require.Error(t, j.err, "%s cut to %d", file, size)
			}
		})
	})
}

// floorOfCut returns the index of the earliest state that a store may have after a cut of the file. A
// cut log does not lose the entries of tables and ended logs. A cut manifest may lose all tables.
func (d *damagedStore) floorOfCut(file string) int {
	switch directory.KindOf(file) {
	case directory.LogFile:
		return d.floor
	case directory.ManifestFile:
		return 0
	}
	return len(d.states) - 1
}

// reportedFor returns the file that Check must report for damage to a file. For a cut manifest or log,
// Check may report a file that the lost records named, or the next log.
func (d *damagedStore) reportedFor(file string, j outcome) string {
	kind := directory.KindOf(file)
	if (kind == directory.ManifestFile || kind == directory.LogFile) && len(j.report.Problems) > 0 {
		return j.report.Problems[0].File
	}
	return file
}

// Open fails if a file is missing, empty, a directory, or replaced by another file of its kind. The
// last log may be empty, because a crash can leave it so.
func TestMissingAndReplacedFilesAreErrors(t *testing.T) {
	forEachStore(t, func(t *testing.T, d *damagedStore) {
		twin := newDamagedStore(t, d.name) // the same files with other identities
		twin.name = "another store"
		for _, file := range d.files(t) {
			requireError := func(what string, disk *vfstest.Mem) {
				j := d.checkAndRead(disk)
				require.Error(t, j.err, "%s is %s", file, what)
				d.require(t, j, j.report.Problems[0].File, 0, fmt.Sprintf("%s is %s", file, what))
			}
			requireError("missing", d.withFile(t, file, nil))
			isDirectory := d.withFile(t, file, nil)
			require.NoError(t, isDirectory.MkdirAll(d.path(file)))
			requireError("a directory", isDirectory)
			if file != d.lastLog(t) {
				requireError("empty", d.withFile(t, file, []byte{}))
			}
			for _, of := range []*damagedStore{d, twin} {
				for _, other := range of.files(t) {
					if directory.KindOf(other) == directory.KindOf(file) && (other != file || of == twin) {
						requireError(other+" of "+of.name, d.withFile(t, file, contentOfFile(t, of.disk, of.path(other))))
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

// A directory with the name of the lock file makes Open and Check fail, but not with ErrCorrupt.
func TestDirectoryInPlaceOfTheLockIsAnError(t *testing.T) {
	d := newDamagedStore(t, "closed, with a log")
	disk := d.withFile(t, directory.LockName, nil)
	require.NoError(t, disk.MkdirAll(d.path(directory.LockName)))
	j := d.checkAndRead(disk)
	require.ErrorIs(t, j.err, syscall.EISDIR)
	require.ErrorIs(t, j.checkErr, syscall.EISDIR)
	require.NoError(t, disk.Remove(d.path(directory.LockName)))
	require.Equal(t, len(d.states)-1, d.stateOf(d.checkAndRead(disk)))
}

// Restore of a damaged store returns an error, or makes a store with the same damage. It never
// makes a store with other content.
func TestRestoreKeepsDamageDetectable(t *testing.T) {
	d := newDamagedStore(t, "closed, without a log")
	twin := newDamagedStore(t, d.name)
	for _, file := range d.files(t) {
		content := contentOfFile(t, d.disk, d.path(file))
		forEachChangedByte(t, content, func(content []byte, at int) {
			d.requireRestore(t, d.withFile(t, file, content), fmt.Sprintf("byte %d of %s", at, file))
		})
		forEachPosition(t, len(content), damagesStep(t), func(size int) {
			d.requireRestore(t, d.withFile(t, file, content[:size]), fmt.Sprintf("%s cut to %d of %d", file, size, len(content)))
		})
		d.requireRestore(t, d.withFile(t, file, nil), fmt.Sprintf("%s is missing", file))
		d.requireRestore(t, d.withFile(t, file, contentOfFile(t, twin.disk, d.path(file))), fmt.Sprintf("%s of another store", file))
	}
}

// requireRestore restores the damaged store in two parts, so that tables are clipped. It requires an
// error and no store, or a store whose damage Check reports.
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
	j := to.checkAndRead(disk)
	require.ErrorIs(t, j.checkErr, ErrCorrupt, what)
	to.require(t, j, j.report.Problems[0].File, len(d.states)-1, what)
}
