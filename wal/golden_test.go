package wal

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

var update = flag.Bool("update", false, "write the golden fixtures again")

// fixture is a log of version 1. Every later version must read it, and both Writer and builder
// must write it byte for byte.
type fixture struct {
	file    string
	write   func(t *testing.T, w *Writer)
	build   func(b *builder)
	records []string
	outcome Outcome // without Identity
}

var (
	fixtureID = Identity([]byte("\x31xture\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"))
	long      = bytes.Repeat([]byte("long "), 300)
)

var fixtures = []fixture{
	{
		file:    "v1-empty.wal",
		write:   func(t *testing.T, w *Writer) { require.NoError(t, w.Close(true)) },
		build:   func(b *builder) { b.end() },
		outcome: Outcome{Size: 36, Clean: true},
	},
	{
		file: "v1-clean.wal",
		write: func(t *testing.T, w *Writer) {
			synced(t, w, "first")
			flushed(t, w, "second", "")
			flushed(t, w, "third")
			require.NoError(t, w.Close(true))
		},
		build: func(b *builder) {
			at := b.frame('D', 0, []byte("\x05first"))
			b.mark()
			b.frame('D', at, []byte("\x06second\x00"))
			b.frame('D', at, []byte("\x05third"))
			b.end()
		},
		records: []string{"first", "second", "", "third"},
		outcome: Outcome{Size: 36 + 4*36 + 20, Clean: true},
	},
	{
		file: "v1-unclean.wal",
		write: func(t *testing.T, w *Writer) {
			flushed(t, w, "first")
			synced(t, w, "second")
			flushed(t, w, "third")
			require.NoError(t, w.Close(false))
		},
		build: func(b *builder) {
			b.frame('D', 0, []byte("\x05first"))
			at := b.frame('D', 0, []byte("\x06second"))
			b.mark()
			b.frame('D', at, []byte("\x05third"))
		},
		records: []string{"first", "second", "third"},
		outcome: Outcome{Size: 36 + 4*36 + 19},
	},
	{
		file: "v1-synced.wal",
		write: func(t *testing.T, w *Writer) {
			synced(t, w, "first")
			synced(t, w, "second")
			require.NoError(t, w.Close(false))
		},
		build: func(b *builder) {
			at := b.frame('D', 0, []byte("\x05first"))
			b.mark()
			b.frame('D', at, []byte("\x06second"))
			b.mark()
		},
		records: []string{"first", "second"},
		outcome: Outcome{Size: 36 + 4*36 + 13},
	},
	{
		file: "v1-long.wal", // one record spans three frames
		write: func(t *testing.T, w *Writer) {
			flushed(t, w, "first", string(long), "last")
			require.NoError(t, w.Close(false))
		},
		build: func(b *builder) {
			payload := sequence([]byte("first"), long, []byte("last"))
			b.frame('D', 0, payload[:512])
			b.frame('D', 0, payload[512:1024])
			b.frame('D', 0, payload[1024:])
		},
		records: []string{"first", string(long), "last"},
		outcome: Outcome{Size: 36 + 3*36 + 6 + 1502 + 5},
	},
}

func flushed(t *testing.T, w *Writer, records ...string) {
	for _, r := range records {
		_, err := w.Append([]byte(r))
		require.NoError(t, err)
	}
	require.NoError(t, w.Flush())
}

func synced(t *testing.T, w *Writer, records ...string) {
	flushed(t, w, records...)
	require.NoError(t, w.SyncTo(w.Size()))
}

func (f fixture) written(t *testing.T) []byte {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	w, err := create(mem, logName, Options{BufferBytes: 512}, fixtureID)
	require.NoError(t, err)
	f.write(t, w)
	return content(t, mem)
}

func (f fixture) content(t *testing.T) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", f.file))
	require.NoError(t, err)
	return b
}

// A difference means that the bytes of version 1 have changed: raise the version, or find the
// mistake.
func TestFixturesAreWrittenByteForByte(t *testing.T) {
	for _, f := range fixtures {
		got := f.written(t)
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join("testdata", f.file), got, 0o644))
		}
		require.True(t, bytes.Equal(f.content(t), got), f.file)
		b := built(string(fixtureID[:]), 1, 0)
		f.build(b)
		require.True(t, bytes.Equal(got, b.log), "%s differs from the format page", f.file)
	}
}

func TestFixturesAreRead(t *testing.T) {
	for _, f := range fixtures {
		var records []string
		got, _, o, err := read(memOf(t, f.content(t)))
		require.NoError(t, err, f.file)
		for _, r := range got {
			records = append(records, string(r))
		}
		require.Equal(t, f.records, records, f.file)
		want := f.outcome
		want.Identity = fixtureID
		require.Equal(t, want, o, f.file)
	}
}

func TestDamagedFixturesAreCorruptOrAPrefix(t *testing.T) {
	for _, f := range fixtures {
		log := f.content(t)
		known := 0
		if f.outcome.Clean {
			known = len(log)
		} else {
			known = knownSynced(log)
		}
		altered(t, log, func(log []byte, at int, how string) {
			_, _, _, err := read(memOf(t, log))
			require.Equal(t, at < known, err != nil)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt, "%s byte %d %s", f.file, at, how)
			}
		})
		for size := range log {
			got, _, o, err := read(memOf(t, log[:size]))
			require.NoError(t, err, f.file)
			require.False(t, o.Clean)
			for i, r := range got {
				require.Equal(t, f.records[i], string(r))
			}
		}
	}
}
