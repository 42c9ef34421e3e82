package lsmstate

import (
	"context"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "v1.description"

func fixtureDescription() *description {
	return &description{
		identity: snapshot.Identity{1, 2, 3},
		appends:  []appendCount{{0, 1}, {7, 1024}, {appendSlots - 1, maxCountKiB}},
		tree:     []byte("a tree"),
		tables:   []tableLocation{{number: 3, packed: []byte("a table")}, {number: 200, file: 1}, {number: 300, file: 1}},
	}
}

func encodedDescription(t testing.TB, d *description) []byte {
	b, err := d.encode()
	require.NoError(t, err)
	return b
}

// If the test fails, the writer no longer writes version 1.
func TestDescriptionIsWrittenByteForByte(t *testing.T) {
	b := encodedDescription(t, fixtureDescription())
	name := filepath.Join("testdata", fixture)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(name, b, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, b)
	d, err := decodeDescription(want)
	require.NoError(t, err)
	require.Equal(t, fixtureDescription(), d)
}

func TestDamagedDescriptionIsErrCorrupt(t *testing.T) {
	whole := encodedDescription(t, fixtureDescription())
	for n := range whole {
		_, err := decodeDescription(whole[:n])
		require.ErrorIs(t, err, snapshot.ErrCorrupt)
		flipped := append([]byte{}, whole...)
		flipped[n] ^= 1
		_, err = decodeDescription(flipped)
		require.ErrorIs(t, err, snapshot.ErrCorrupt)
	}
	later := append([]byte{}, whole...)
	later[9]++
	_, err := decodeDescription(resealed(later))
	require.ErrorIs(t, err, snapshot.ErrVersion)
}

// resealed corrects the checksum.
func resealed(b []byte) []byte {
	end := len(b) - checksumBytes
	return binary.BigEndian.AppendUint64(b[:end:end], xxhash.Sum64(b[:end]))
}

// A description that is accepted is encoded as the same bytes.
func FuzzDescription(f *testing.F) {
	whole := encodedDescription(f, fixtureDescription())
	f.Add(whole)
	f.Add(encodedDescription(f, &description{}))
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > checksumBytes {
			b = resealed(b)
		}
		d, err := decodeDescription(b)
		if err == nil {
			require.Equal(t, b, encodedDescription(t, d))
		}
	})
}

// If handle and description do not fit together, the restore fails before it reads a table.
func TestDescriptionThatDoesNotFitItsHandleIsRefused(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*description, *snapshot.Handle)
		want   error
	}{
		"file above the list": {func(d *description, h *snapshot.Handle) {
			d.tables[0] = tableLocation{number: d.tables[0].number, file: 999}
		}, snapshot.ErrCorrupt},
		"table missing": {func(d *description, h *snapshot.Handle) { d.tables = d.tables[1:] }, snapshot.ErrCorrupt},
		"table of no tree": {func(d *description, h *snapshot.Handle) {
			d.tables = append(d.tables, tableLocation{number: 1 << 40, file: 1})
		}, snapshot.ErrCorrupt},
		"file of no table":   {func(d *description, h *snapshot.Handle) { h.Files = append(h.Files, h.Files[1]) }, snapshot.ErrCorrupt},
		"other identity":     {func(d *description, h *snapshot.Handle) { h.Files[1].Identity[0] ^= 1 }, snapshot.ErrMismatch},
		"other size":         {func(d *description, h *snapshot.Handle) { h.Files[1].Size++ }, snapshot.ErrMismatch},
		"outside the groups": {func(d *description, h *snapshot.Handle) { h.Keyspace.Groups.Last = 7 }, snapshot.ErrCorrupt},
		"files without tree": {func(d *description, h *snapshot.Handle) { d.tree, d.tables = nil, nil }, snapshot.ErrCorrupt},
		"no tree":            {func(d *description, h *snapshot.Handle) { d.tree = d.tree[1:] }, snapshot.ErrCorrupt},
	} {
		d, err := decodeDescription(contentOf(t, s, h.Files[0].Name))
		require.NoError(t, err)
		changed := h
		changed.Files = append([]snapshot.FileRef{}, h.Files...)
		c.change(d, &changed)
		_, _, err = d.files(changed)
		require.ErrorIs(t, err, c.want, name)
	}
}

// openHanded is a source that opens the first snapshot's files under any name, as a careless
// source of another program might.
type openHanded struct {
	*shelf
	names map[string]string // the names of the files by hostile name
}

func (s openHanded) real(name string) string {
	if real, ok := s.names[name]; ok {
		return real
	}
	return name
}

func (s openHanded) Open(ctx context.Context, name string) (snapshot.Object, error) {
	return s.shelf.Open(ctx, s.real(name))
}

func (s openHanded) Link(ctx context.Context, name, path string) error {
	return s.shelf.Link(ctx, s.real(name), path)
}

// A name in a handle becomes a part of a path in the staging directory, which it must not leave.
func TestHostileNamesOfFilesAreRefused(t *testing.T) {
	for _, name := range []string{"x/../../../precious", "../../precious", "/precious", "..", "", ".x", "x/y", `x\..\y`, "x\x00", strings.Repeat("x", 201)} {
		for at := range 2 {
			for _, links := range []bool{false, true} {
				mem := newFS()
				n, s := largeTask(t, mem, "one"), newShelf(t, mem)
				s.links = links
				h, err := s.save(n, "first", snapshot.Incremental)
				require.NoError(t, err)
				hostile := h
				hostile.Files = slices.Clone(h.Files)
				hostile.Files[at].Name = name
				q := nativeOn(t, mem, "two", 0, 1, nil)
				err = q.restore(openHanded{s, map[string]string{name: h.Files[at].Name}}, hostile)
				require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
				entries, err := mem.List("")
				require.NoError(t, err)
				require.ElementsMatch(t, []string{"one", "two", shelfDir}, entries, "%q", name)
			}
		}
	}
}
