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
	// packTableBytes is the size up to which tables may be joined in the description:
	// a file of its own costs a request, and is deleted by another one.
	packTableBytes = 64 << 10
	// packBytes is what they come to at most, since they are written each time.
	packBytes = 256 << 10
)

// WriteNative implements snapshot.NativeView. Tables are pinned until it returns,
// also if the backend has long compacted them.
func (v *view) WriteNative(ctx context.Context, t snapshot.Target, name string, wrote func(int64)) ([]snapshot.FileRef, error) {
	w := &nativeWriter{view: v, target: t, name: name, wrote: wrote, places: make(map[snapshot.Identity]int)}
	w.description.appends = v.appends
	w.description.identity = vfs.NewIdentity()
	if v.tree != nil {
		tables, err := v.view.Tables(ctx)
		if err != nil {
			return nil, ofTree(err)
		}
		w.tables = tables
		defer tables.Close() // what it reports has been reported by reads
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

// nativeWriter is a native snapshot being written.
type nativeWriter struct {
	*view
	target      snapshot.Target
	name        string
	wrote       func(int64)
	tables      *lsm.Tables
	description description
	files       []snapshot.FileRef        // behind the description
	places      map[snapshot.Identity]int // of files of tables, from 1
}

// writeTables writes what is new of the tables.
func (w *nativeWriter) writeTables(ctx context.Context) error {
	tables := w.tables.List()
	pending := w.placeFiles(tables)
	if err := w.describeTables(ctx, tables); err != nil {
		return err
	}
	return concurrently(ctx, len(pending), func(ctx context.Context, i int) error {
		t := pending[i]
		return w.upload(ctx, t, &w.files[w.places[t.Identity]-1])
	})
}

// placeFiles finds a place for every file of a table: in the description, in an earlier
// snapshot, or in this one, to which those that it returns are to be written. One file may
// have several tables, of which each shows another part.
func (w *nativeWriter) placeFiles(tables []lsm.TableFile) (pending []lsm.TableFile) {
	sharing, _ := w.target.(snapshot.SharingTarget)
	packing := newPacking(tables)
	for _, t := range tables {
		id := t.Identity
		if w.places[id] > 0 {
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
		case packing.takes(t):
			continue
		default:
			pending = append(pending, t)
		}
		ref.Bounds = groupsOf(w.keyspace.Groups, t.From, t.To)
		w.files = append(w.files, ref)
		w.places[id] = len(w.files)
	}
	return pending
}

// describeTables takes down where each table is, and has the content of those without a
// file.
func (w *nativeWriter) describeTables(ctx context.Context, tables []lsm.TableFile) error {
	for _, t := range tables {
		place := tablePlace{number: t.Number, file: w.places[t.Identity]}
		if place.file > 0 {
			w.extend(&w.files[place.file-1], t)
		} else {
			take := func(b []byte) error { place.packed = append(place.packed, b...); return nil }
			if err := w.read(ctx, t, take); err != nil {
				return err
			}
		}
		w.description.tables = append(w.description.tables, place)
	}
	slices.SortFunc(w.description.tables, func(a, b tablePlace) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// hasFile reports whether a table is a file of the snapshot, not a part of the description.
func (w *nativeWriter) hasFile(id snapshot.Identity) bool { return w.places[id] > 0 }

// extend makes the bounds of a file those of one more of its tables.
func (w *nativeWriter) extend(f *snapshot.FileRef, t lsm.TableFile) {
	groups := groupsOf(w.keyspace.Groups, t.From, t.To)
	f.Bounds.First, f.Bounds.Last = min(f.Bounds.First, groups.First), max(f.Bounds.Last, groups.Last)
}

// writeDescription writes the file that goes first.
func (w *nativeWriter) writeDescription(ctx context.Context) (ref snapshot.FileRef, err error) {
	b, err := w.description.encode()
	if err != nil {
		return ref, err
	}
	f, err := w.target.Create(ctx, w.name)
	if err != nil {
		return ref, ofFile(w.name, err)
	}
	if _, err = f.Write(b); err == nil {
		err = commit(ctx, f)
	}
	if err != nil {
		return ref, ofFile(w.name, abort(f, err))
	}
	w.wrote(int64(len(b)))
	return snapshot.FileRef{
		Name: w.name, Identity: w.description.identity, Size: int64(len(b)), Checksum: xxhash.Sum64(b),
		Bounds: w.keyspace.Groups,
	}, nil
}

// packing chooses the tables that are joined: small ones, the smallest first.
type packing map[uint64]bool

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

func (p packing) takes(t lsm.TableFile) bool { return p[t.Number] }
