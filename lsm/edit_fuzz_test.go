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

// allocatedIn is how many bytes a function allocates, freed or not.
func allocatedIn(f func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// sampleEdits are edits with everything that one may have.
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

// An edit that is read is written as the same bytes, and takes no more memory
// than they account for. Nothing else is read.
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
			t.Fatalf("%d bytes of edit take %d of memory", len(b), took)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if again := e.Encode(); !bytes.Equal(b, again) {
			t.Fatalf("%x is read and would be written as %x", b, again)
		}
	})
}

// CURRENT that is read is written as the same bytes. Nothing else is read.
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
		// Most of what a fuzzer finds has a wrong checksum: give it the right one too.
		for _, content := range []string{content, string(pageSummed(content))} {
			c, err := manifest.ParseCurrent(content)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
					t.Fatal(err)
				}
				continue
			}
			if c.Number == 0 || c.ClosedBytes < 0 || c.Content() != content {
				t.Fatalf("%q is read and would be written as %q", content, c.Content())
			}
		}
	})
}

// A log record is applied or ErrCorrupt, whatever is in it.
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
			// Slabs are on Go's heap where the system gives no other memory, and
			// under the race detector.
			if limit := 4<<20 + 64*uint64(len(b)); took > limit {
				t.Fatalf("a record of %d bytes takes %d of memory", len(b), took)
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
		}
	})
}
