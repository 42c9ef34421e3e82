package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime/metrics"
	"testing"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// allocatedIn returns the number of bytes that a function allocates, including freed ones.
func allocatedIn(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// sampleEdits returns edits that together use every field.
func sampleEdits() []*manifest.Edit {
	meta := version.FileMeta{
		Number: 7, Run: 3, Identity: vfs.Identity{1, 2, 3}, Size: 4000, Entries: 17, Tombstones: 2,
		Bounds: run.Range{From: []byte("a"), To: []byte("b")},
	}
	clipped := meta
	clipped.Number, clipped.Clip = 300, run.Range{From: []byte("aa"), To: []byte{}}
	clipped.Bounds.To = nil
	return []*manifest.Edit{
		{},
		{First: true, Identity: vfs.Identity{9}, Split: "whole", PartitionBytes: 2, NextFile: 1, NextRun: 1},
		{Flushed: 1 << 40, NextFile: manifest.MaxFileNumber, NextRun: 129, FirstLog: 128,
			Removed: []manifest.Location{{Level: 0, Number: 1}, {Level: 6, Number: manifest.MaxFileNumber}}, Added: []manifest.LevelTable{{Level: 0, Meta: meta}, {Level: 6, Meta: clipped}}},
	}
}

// The decoder accepts only edits that encode to the same bytes, and allocates only as much memory as
// their size justifies.
func FuzzLsmManifestEdit(f *testing.F) {
	for _, e := range sampleEdits() {
		b := e.Encode()
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append(b, 0))
	}
	f.Add(binary.AppendUvarint([]byte{manifest.EditVersion, 0, 0, 0, 0, 0}, 1<<60))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *manifest.Edit
		var err error
		took := allocatedIn(func() { e, err = manifest.DecodeEdit(b) })
		if limit := 1<<20 + 64*uint64(len(b)); took > limit {
			t.Fatalf("decoding an edit of %d bytes allocated %d bytes", len(b), took)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if again := e.Encode(); !bytes.Equal(b, again) {
			t.Fatalf("decoded %x, but it encodes to %x", b, again)
		}
	})
}

// ParseCurrent accepts only contents that Content would return.
func FuzzLsmCurrent(f *testing.F) {
	for _, g := range goldenCurrents {
		f.Add(g.current.Content())
	}
	for _, content := range []string{
		"", "2", "3 MANIFEST-000007", "MANIFEST-000007", "MANIFEST-000007 00", "2 MANIFEST-000007 00 0",
		"MANIFEST-000000 000102030405060708090a0b0c0d0eff", "2 MANIFEST-000007 000102030405060708090a0b0c0d0eff -1",
	} {
		f.Add(string(pageSummed(content)))
	}
	f.Fuzz(func(t *testing.T, content string) {
		// Most inputs of the fuzzer have a wrong checksum, so also try each input with the right one.
		for _, content := range []string{content, string(pageSummed(content))} {
			c, err := manifest.ParseCurrent(content)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
					t.Fatal(err)
				}
				continue
			}
			if c.Number == 0 || c.ClosedBytes < 0 || c.Content() != content {
				t.Fatalf("parsed %q, but Content returns %q", content, c.Content())
			}
		}
	})
}

// Replay of any log record succeeds or returns ErrCorrupt.
func FuzzLsmLogRecord(f *testing.F) {
	var b Batch
	b.Put([]byte("key"), []byte("value"))
	b.Append([]byte("key"), nil)
	b.Delete([]byte("gone"))
	b.DeletePrefix([]byte("p/"))
	f.Add(b.record)
	f.Add(appendOp([]byte{recordOps}, opRange, []byte("a"), []byte("b")))
	f.Add(appendOp([]byte{recordOps}, run.Set, nil, nil)[:3])
	f.Add([]byte{recordRun, 3})
	f.Add(manifest.AppendFileMeta([]byte{recordFile}, &sampleEdits()[2].Added[0].Meta))
	f.Add([]byte{})
	o := Options{Split: modelSplits[2], FS: vfstest.NewMem(vfstest.MemOptions{}), NewMemtable: memtable.NewHash}
	db, err := Open(context.Background(), "db", o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		for _, active := range []uint64{0, 2} {
			to := recovery{db: db, active: active}
			r := replayer{o: &o, flushed: 1, to: &to, begun: true, active: active}
			var err error
			took := allocatedIn(func() { err = r.record(b, 0) })
			to.release()
			// On some systems, and under the race detector, slabs are on Go's heap and so part of the count.
			if limit := 4<<20 + 64*uint64(len(b)); took > limit {
				t.Fatalf("replaying a record of %d bytes allocated %d bytes", len(b), took)
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
		}
	})
}
