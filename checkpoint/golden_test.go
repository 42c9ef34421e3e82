package checkpoint

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

var update = flag.Bool("update", false, "rewrite the golden fixtures")

// fullCheckpoint returns a new checkpoint with a part of every form.
func fullCheckpoint() *Checkpoint {
	text, number := codec.ID{Name: "string", Version: 1}, codec.ID{Name: "int64", Version: 1}
	states := []backend.Info{
		{Name: "count", Kind: backend.KindValue, Key: text, Codecs: []codec.ID{number}},
		{Name: "events", Kind: backend.KindList, Key: text, Codecs: []codec.ID{text}},
		{Name: "totals", Kind: backend.KindMap, Key: text, Codecs: []codec.ID{text, number}},
		{Name: "order", Kind: backend.KindReducing, Key: text, Codecs: []codec.ID{{Name: "order", Version: 300, Schema: "id:int64,note:string"}}},
		{Name: "timers", Kind: backend.KindTimers, Key: text},
	}
	slices.SortFunc(states, func(a, b backend.Info) int {
		if a.ID() < b.ID() {
			return -1
		}
		return 1
	})
	handle := func(first, last uint16, rows int64, files ...snapshot.FileRef) *snapshot.Handle {
		return &snapshot.Handle{
			Keyspace: backend.Keyspace{MaxParallelism: 128, Groups: backend.GroupRange{First: first, Last: last}},
			States:   states, Rows: rows, Files: files,
		}
	}
	file := func(name string, size int64, first, last uint16) snapshot.FileRef {
		return snapshot.FileRef{
			Name: name, Size: size, Checksum: 0xFEDCBA9876543210, Bounds: backend.GroupRange{First: first, Last: last},
			Identity: snapshot.Identity{'f', 'i', 'x', 't', 'u', 'r', 'e', 0, 1, 2, 3, 4, 5, 6, 7, 8},
		}
	}
	return &Checkpoint{
		Job: "flights", ID: 42, Attempt: 3, Triggered: time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC),
		Operators: []Operator{
			{Name: "counts", Parts: []Part{
				{
					Handle: handle(0, 63, 7, file("3-counts-0", 5, 0, 63)),
					Data:   []byte("watermark"),
					Inline: map[string][]byte{"3-counts-0": []byte("hello")},
				},
				{Handle: handle(64, 100, 1<<40, file("3-counts-1", 1<<32, 64, 100), file("3-counts-1.b", 300, 64, 64))},
				{
					Handle: handle(101, 127, 1, file("3-counts-2", 0, 101, 127), file("3-counts-2.b", 1, 127, 127)),
					Inline: map[string][]byte{"3-counts-2": nil},
				},
			}},
			{Name: "idle", Parts: []Part{{}}},
			{Name: "source", Parts: []Part{{Data: []byte{0, 1, 2}}, {Data: bytes.Repeat([]byte("offset "), 40)}}},
			{Name: "stateless", Parts: []Part{{Handle: &snapshot.Handle{Keyspace: backend.WholeKeyspace(1)}}}},
		},
	}
}

func emptyCheckpoint() *Checkpoint {
	return &Checkpoint{Job: "j", ID: 1, Attempt: 1, Triggered: time.Time{}.UTC()}
}

var fixtureEntry = Entry{ID: 42, Attempt: 3, Size: 1234, Checksum: 0x0123456789ABCDEF}

// checkpointFixtures are metadata of every version. Those of versions 3 and 4 can be written.
var checkpointFixtures = map[string]func() *Checkpoint{
	"v1-full.metadata": fullCheckpoint, "v1-empty.metadata": emptyCheckpoint,
	"v2-native.metadata": nativeCheckpoint,
	"v3-full.metadata":   fullCheckpoint, "v3-empty.metadata": emptyCheckpoint, "v3-native.metadata": nativeCheckpoint,
	"v4-packed.metadata": packedCheckpoint,
}

// versionOf returns the version of metadata.
func versionOf(data []byte) uint16 { return binary.BigEndian.Uint16(data[len(metadataMagic):]) }

func readFixture(t testing.TB, name string) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func encoded(t testing.TB, c *Checkpoint) []byte {
	t.Helper()
	b, err := encode(c)
	require.NoError(t, err)
	return b
}

// A difference means that the bytes of a released version have changed: raise the version, or
// find the cause.
func TestFixturesAreWrittenByteForByte(t *testing.T) {
	written := map[string][]byte{"v1.entry": fixtureEntry.Encode()}
	for name, c := range checkpointFixtures {
		if strings.HasPrefix(name, "v3") || strings.HasPrefix(name, "v4") {
			written[name] = encoded(t, c())
		}
	}
	for name, data := range written {
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join("testdata", name), data, 0o644))
		}
		require.True(t, bytes.Equal(readFixture(t, name), data), "%d bytes differ from testdata/%s", len(data), name)
	}
}

func TestFixturesAreRead(t *testing.T) {
	for name, want := range checkpointFixtures {
		c, err := Decode(readFixture(t, name))
		require.NoError(t, err)
		require.Equal(t, want(), c)
	}
	e, err := DecodeEntry(readFixture(t, "v1.entry"))
	require.NoError(t, err)
	require.Equal(t, fixtureEntry, e)
}

// The builder is a second implementation of the format page.
func TestFormatPageIsEnoughToWriteMetadata(t *testing.T) {
	for name, c := range checkpointFixtures {
		data := readFixture(t, name)
		require.Equal(t, data, builtAs(versionOf(data), c()), name)
	}
	require.Equal(t, readFixture(t, "v1.entry"), builtEntry(fixtureEntry))
}

// nativeCheckpoint returns a checkpoint with portable and native handles, and a file that two
// subtasks share.
func nativeCheckpoint() *Checkpoint {
	c := fullCheckpoint()
	first, second := backend.SubtaskKeyspace(0, 2, 8), backend.SubtaskKeyspace(1, 2, 8)
	shared := snapshot.FileRef{Name: "s7-2-op-0.12", Identity: snapshot.Identity{9}, Size: 1000, Checksum: 77, Shared: true}
	one, two := shared, shared
	one.Bounds, two.Bounds = first.Groups, second.Groups
	c.Operators = append(c.Operators, Operator{"z", []Part{
		{
			Handle: &snapshot.Handle{Keyspace: first, Format: "lsm", Files: []snapshot.FileRef{{Name: "3-z-0", Size: 3, Bounds: first.Groups}, one}},
			Inline: map[string][]byte{"3-z-0": []byte("abc")},
		},
		{Handle: &snapshot.Handle{Keyspace: second, Format: "lsm", Files: []snapshot.FileRef{{Name: "3-z-1", Size: 30000, Bounds: second.Groups}, two}}},
	}})
	return c
}

// packedCheckpoint returns a checkpoint with files in a pack of its own and in packs of earlier
// checkpoints; two subtasks share a packed file.
func packedCheckpoint() *Checkpoint {
	c := nativeCheckpoint()
	own, shared, earlier, oldest := "3-pack1", "s42-3-pack0", "s41-3-pack1", "s7-2-pack0"
	c.Packs = []Pack{{own, 30000}, {earlier, 5000}, {shared, 400}, {oldest, 1200}}
	parts := c.Operators[len(c.Operators)-1].Parts
	parts[0].Packed = map[string]Place{"s7-2-op-0.12": {oldest, 200}, "s41-3-pack1-0.5": {earlier, 5000}}
	parts[1].Packed = map[string]Place{"s7-2-op-0.12": {oldest, 200}, "3-z-1": {own, 0}, "s42-3-z-1.8": {shared, 0}, "s42-3-z-1.9": {shared, 100}}
	empty := snapshot.FileRef{Name: "s41-3-pack1-0.5", Bounds: parts[0].Handle.Keyspace.Groups, Shared: true} // of an operator "pack1"
	parts[0].Handle.Files = append(parts[0].Handle.Files, empty)
	first := snapshot.FileRef{Name: "s42-3-z-1.8", Size: 100, Bounds: parts[1].Handle.Keyspace.Groups, Shared: true}
	second := snapshot.FileRef{Name: "s42-3-z-1.9", Size: 300, Bounds: parts[1].Handle.Keyspace.Groups, Shared: true}
	parts[1].Handle.Files = append(parts[1].Handle.Files, first, second)
	counts := c.Operators[0].Parts[1] // portable
	counts.Handle.Files[1].Size = 0
	c.Operators[0].Parts[1].Packed = map[string]Place{"3-counts-1.b": {own, 30000}}
	return c
}
