package lsmstate

import (
	"cmp"
	"context"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// nativeFormat names the native format: the files of tables and a description of them.
const nativeFormat = "lsm"

// Format implements snapshot.NativeBackend.
func (b *Backend) Format() string { return nativeFormat }

// Format implements snapshot.NativeView.
func (v *view) Format() string { return nativeFormat }

const (
	// packTableBytes is the maximum size of a table that may be packed into the description.
	// A file of its own would cost a request to write it and another one to delete it.
	packTableBytes = 64 << 10
	// packBytes is the maximum size of all packed tables together. Every snapshot writes them
	// again.
	packBytes = 256 << 10
)

// WriteNative implements snapshot.NativeView: see nativeWriter. The tables exist until it returns, even
// if the backend has compacted them.
func (v *view) WriteNative(ctx context.Context, t snapshot.Target, name string, wrote func(int64)) ([]snapshot.FileRef, error) {
	w := &nativeWriter{view: v, target: t, name: name, wrote: wrote, fileOf: make(map[snapshot.Identity]int)}
	w.description.identity = vfs.NewIdentity()
	if v.tree != nil {
		tables, err := v.view.Tables(ctx)
		if err != nil {
			return nil, wrapLSMError(err)
		}
		w.tables = tables
		w.description.appends = v.appends.counts() // after the runs of the hot tier have used them
		defer tables.Close()                       // reads have returned its errors before
		w.description.tree = tables.Describe()
		if err := w.writeTables(ctx); err != nil {
			return nil, err
		}
	}
	first, err := w.writeDescription(ctx)
	if err != nil {
		return nil, err
	}
	if w.tables != nil {
		v.copies.keep(ctx, w.tables, w.hasFile)
	}
	return append([]snapshot.FileRef{first}, w.files...), nil
}

// nativeWriter writes a native snapshot: the tables of a view of the tree, and a description.
//
// Problem: a portable snapshot writes all rows every time, and sorts and compresses them again. The
// state may be larger than memory and change little between two checkpoints.
//
// Idea: the tree keeps rows in tables, immutable files. A snapshot is a list of these files. Each
// table has a random identity; the target knows the identities of the tables in the last complete
// checkpoint (SharingTarget.Confirmed), so the writer uploads only new tables. Because a table keeps
// its identity when it moves to another level, or into another tree by a restore, moves and
// restores upload nothing.
//
//	tables of the view     t1 (200 MB)   t2 (64 MB)   t3 (9 KB)   t4 (3 KB)
//	                          |             |            \         /
//	confirmed by target?     yes            no             packed
//	                          |             |                |
//	files of the handle   [0 description: tree, t1 -> 1, t2 -> 2, t3, t4 ][1 ref][2 upload]
//
// Small tables are packed into the description, the smallest first, so that a small state is one
// file. A target that combines small files itself (snapshot.CombiningTarget) gets each table as a
// file, because the description is written again in every snapshot. Several virtual tables may share
// one file, and each counts another part of it; the file is uploaded once.
//
// Invariant: the description is written last, when all tables are durable, and is the first file of
// the handle.
//
// Invariant: files of the handle and tables of the description refer to each other completely:
// description.files checks that in a restore.
//
// Invariant: only complete files remain in the target after an error.
//
// Cost: upload of new tables, in up to transfers goroutines, and of a description of some bytes per
// table. No row is decoded.
type nativeWriter struct {
	*view
	target      snapshot.Target
	name        string
	wrote       func(int64)
	tables      *lsm.Tables
	description description
	files       []snapshot.FileRef        // of the handle, after the description
	fileOf      map[snapshot.Identity]int // number of a table's file in the handle, from 1
}

// writeTables uploads the new files of tables and records the location of every table.
func (w *nativeWriter) writeTables(ctx context.Context) error {
	tables := w.tables.List()
	pending := w.assignFiles(tables)
	if err := w.recordLocations(ctx, tables); err != nil {
		return err
	}
	return concurrently(ctx, len(pending), func(ctx context.Context, i int) error {
		t := pending[i]
		return w.upload(ctx, t, &w.files[w.fileOf[t.Identity]-1])
	})
}

// assignFiles decides where the file of each table is stored: in an earlier snapshot, in the
// description, or in a new file. It returns the tables whose files must be uploaded. Several virtual
// tables may have one file.
func (w *nativeWriter) assignFiles(tables []lsm.TableFile) (pending []lsm.TableFile) {
	sharing, _ := w.target.(snapshot.SharingTarget)
	combining, _ := w.target.(snapshot.CombiningTarget)
	var packing packing
	if combining == nil || combining.CombinedBytes() < packTableBytes {
		packing = newPacking(tables)
	}
	for _, t := range tables {
		id := t.Identity
		if w.fileOf[id] > 0 {
			continue
		}
		ref, confirmed := snapshot.FileRef{Identity: id, Size: t.Bytes}, false
		if sharing != nil {
			if earlier, ok := sharing.Confirmed(id); ok {
				ref, confirmed = earlier, true
			}
		}
		switch {
		case confirmed:
		case packing.contains(t):
			continue
		default:
			pending = append(pending, t)
		}
		ref.Bounds = groupsOfBounds(w.keyspace.Groups, t.From, t.To)
		w.files = append(w.files, ref)
		w.fileOf[id] = len(w.files)
	}
	return pending
}

// recordLocations adds the location of each table to the description, with the content of packed
// tables.
func (w *nativeWriter) recordLocations(ctx context.Context, tables []lsm.TableFile) error {
	for _, t := range tables {
		at := tableLocation{number: t.Number, file: w.fileOf[t.Identity]}
		if at.file > 0 {
			w.extendBounds(&w.files[at.file-1], t)
		} else {
			pack := func(b []byte) error { at.packed = append(at.packed, b...); return nil }
			if err := w.read(ctx, t, pack); err != nil {
				return err
			}
		}
		w.description.tables = append(w.description.tables, at)
	}
	slices.SortFunc(w.description.tables, func(a, b tableLocation) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// hasFile reports whether a table is a file of the snapshot, as opposed to a packed table.
func (w *nativeWriter) hasFile(id snapshot.Identity) bool { return w.fileOf[id] > 0 }

// extendBounds extends the bounds of a file to those of a table in it.
func (w *nativeWriter) extendBounds(f *snapshot.FileRef, t lsm.TableFile) {
	groups := groupsOfBounds(w.keyspace.Groups, t.From, t.To)
	f.Bounds.First, f.Bounds.Last = min(f.Bounds.First, groups.First), max(f.Bounds.Last, groups.Last)
}

// writeDescription writes the description, the first file of the handle.
func (w *nativeWriter) writeDescription(ctx context.Context) (ref snapshot.FileRef, err error) {
	b, err := w.description.encode()
	if err != nil {
		return ref, err
	}
	f, err := w.target.Create(ctx, w.name)
	if err != nil {
		return ref, wrapFileError(w.name, err)
	}
	if _, err = f.Write(b); err == nil {
		err = commit(ctx, f)
	}
	if err != nil {
		return ref, wrapFileError(w.name, abort(f, err))
	}
	w.wrote(int64(len(b)))
	return snapshot.FileRef{
		Name: w.name, Identity: w.description.identity, Size: int64(len(b)), Checksum: xxhash.Sum64(b),
		Bounds: w.keyspace.Groups,
	}, nil
}

// packing is the set of tables, by number, that are packed into the description.
type packing map[uint64]bool

// newPacking selects small tables, the smallest first, up to packBytes.
func newPacking(tables []lsm.TableFile) packing {
	bySize := slices.SortedFunc(slices.Values(tables), func(a, b lsm.TableFile) int {
		return cmp.Or(cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Number, b.Number))
	})
	p, left := make(packing), int64(packBytes)
	for _, t := range bySize {
		if left -= t.Bytes; t.Bytes > packTableBytes || left < 0 {
			break
		}
		p[t.Number] = true
	}
	return p
}

// contains reports whether a table is packed.
func (p packing) contains(t lsm.TableFile) bool { return p[t.Number] }
