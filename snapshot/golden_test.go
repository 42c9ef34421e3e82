package snapshot_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

var update = flag.Bool("update", false, "write the golden fixtures anew")

// fixture is a file of version 1. Every later version must read it, and a writer of version 1 must
// write it byte for byte.
type fixture struct {
	file        string
	compression snapshot.Compression
	sizes       snapshot.Sizes
	long        bool // the job has a list of several chunks
}

var fixtures = []fixture{
	{file: "v1-plain.snap", compression: snapshot.None},
	{file: "v1-zstd.snap", compression: snapshot.Zstd, long: true},
	// With these sizes every key group has many blocks, and some rows are large.
	{file: "v1-large.snap", compression: snapshot.None, sizes: snapshot.Sizes{Full: 150, Large: 70}},
}

var fixtureID = snapshot.Identity{'f', 'i', 'x', 't', 'u', 'r', 'e', 0, 1, 2, 3, 4, 5, 6, 7, 8}

const fixtureUsers = 4

func (f fixture) job(t testing.TB) *job {
	j := newJob(t, eightGroups)
	fillJob(t, j, fixtureUsers)
	if f.long {
		addLongList(t, j)
	}
	return j
}

func (f fixture) write(t testing.TB, id snapshot.Identity) []byte {
	return fileOf(t, f.job(t).backend, id, f.compression, f.sizes)
}

func (f fixture) read(t testing.TB) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", f.file))
	require.NoError(t, err)
	return b
}

// If the test fails, the writer no longer writes version 1: fix the writer or raise the version.
// Only a new release of the zstd library may change v1-zstd.snap; then keep the old file under a
// new name, so that tests still read it.
func TestFixturesAreWrittenByteForByte(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.file, func(t *testing.T) {
			written := f.write(t, fixtureID)
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join("testdata", f.file), written, 0o644))
			}
			require.True(t, bytes.Equal(f.read(t), written), "%d bytes differ from testdata/%s", len(written), f.file)
		})
	}
}

func TestFixturesRestore(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.file, func(t *testing.T) {
			j, err := restoreFile(t, eightGroups, f.read(t))
			require.NoError(t, err)
			require.Equal(t, content(t, f.job(t).backend), content(t, j.backend))
			requireFixture(t, j)
		})
	}
}

// requireFixture compares values of a restored fixture with literals.
func requireFixture(t *testing.T, j *job) {
	require.NoError(t, j.keyed.SetKey("user\x0003"))
	j.setNamespace(t, "win\x00dow") // 7 bytes: user 3 in this namespace has the values of number 3 + 7
	count, ok, err := j.count.Get()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(10<<10), count)
	events, err := j.events.Get()
	require.NoError(t, err)
	require.Equal(t, []string{"login", "page 10"}, events)
	pears, ok, err := j.totals.Get("pears\x00")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(100), pears)
	sum, _, err := j.sum.Get()
	require.NoError(t, err)
	require.Equal(t, int64(-10), sum)
	mean, _, err := j.mean.Get()
	require.NoError(t, err)
	require.Equal(t, 100.0, mean)

	order, ok, err := j.order.Get()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "user\x0003", order.user)
	require.Equal(t, 0.375, order.price)
	require.Equal(t, int64(1700000000000000003), order.at.UnixNano())
	require.Equal(t, []uint32{1, 3}, order.items)
	require.Equal(t, map[string]string{"b": "", "a": "user\x0003"}, order.notes)
	require.Equal(t, int16(-3), *order.next)

	var fired []state.Timer[string]
	require.NoError(t, j.timers.Advance(state.EventTime, -3, func(timer state.Timer[string]) error {
		fired = append(fired, timer)
		return nil
	}))
	require.Equal(t, []state.Timer[string]{{Timestamp: -3, Key: "user\x0000"}}, fired)
	n, err := j.timers.Len(state.ProcessingTime)
	require.NoError(t, err)
	require.Equal(t, 3*fixtureUsers, n)
}
