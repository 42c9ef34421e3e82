package cow

import (
	"math/bits"
	"slices"
	"unsafe"
)

const (
	// pageRows is the number of elements in a page: the first write to a page after a
	// freeze copies that many. It is a constant, so that only the index into the root needs
	// a bounds check.
	pageRows = 64
	// dirPages is the number of pages in a directory. A directory takes 2 KiB; the first
	// write to one of its 8,192 elements after a freeze copies it. A larger number would
	// make small arrays large, a smaller one would lengthen the root, which every freeze
	// copies.
	dirPages = 128
	dirRows  = dirPages * pageRows
	// smallRows is the capacity of an array that is still a single slice.
	smallRows = pageRows / 2
)

// Array is a growable array of T that can be frozen: a tree of fixed height three. Elements
// are in pages of 64, pages are under directories of 128, and directories are under one root.
// An element that was never written is the zero T.
//
//	root        [ * | * | * ]            a slice; Freeze copies it: 8 B per 8,192 elements
//	              |   |
//	directory   [ v3: 128 page versions, 128 page pointers ]        2 KiB, copied on write
//	              |
//	page        [ 64 elements ]                                     copied on write
//
// How a write works (Mutable): if the page's version is above Clock.Shared, no frozen array
// can see the page, and the element is written in place. Otherwise own copies the directory,
// if a frozen array may see it, then the page, and gives the copies the current version. The
// frozen array still refers to the old directory and page through its own copy of the root.
//
//	before the freeze          after the freeze and one write
//	root -> dir -> page        root   -> dir' -> page'     (new versions)
//	                           frozen -> dir  -> page      (unchanged)
//
// Directories and pages are allocated when they are first written; a range that is skipped
// costs one pointer per 8,192 elements. An array whose indexes are all below 32 is a single
// slice of 1, 2, 4, … 32 elements instead (small): a job may declare thousands of states with a
// few rows each, and the first directory and page take 4 KiB. A frozen array may see the slice
// too, so the slice has a version and is copied like a page.
//
// The array is frozen late. Clock.Freeze touches no array; the array's Unit calls Freeze before
// the first change after it (Touch), or when a reader asks for the unit (Pin.Of).
//
// Invariant: a page, directory or small slice with a version up to Clock.Shared is not changed.
//
// Invariant: versions of written pages are 1 or higher. Version 0, of a missing page or a skipped
// directory, is never above Clock.Shared, so the fast path of Mutable never takes it.
//
// Invariant: small is nil or root is empty.
//
// Cost: At and Get are three dependent loads. The first write to a page after a freeze copies
// at most 2 KiB and 64 elements. The garbage collector does not scan pages of a T without
// pointers.
//
// Thread safety: one writer, which is also the only reader of the Array itself. Other
// goroutines may read a Frozen while the writer continues.
type Array[T any] struct {
	unit  *Unit
	small *smallArray[T] // all elements while their indexes are below 32; nil if empty or if there is a root
	root  []*directory[T]
}

// smallArray holds the elements of an array whose indexes are all below smallRows.
type smallArray[T any] struct {
	version uint64
	rows    []T
}

type page[T any] [pageRows]T

// directory holds the pages of 8,192 consecutive elements. A directory of version 0 has no
// pages and is never written: it represents a skipped range, and several entries of a root may
// refer to the same one. The first write to such a range copies the directory.
type directory[T any] struct {
	version  uint64
	versions [dirPages]uint64 // version of each page, 0 if there is no page
	pages    [dirPages]*page[T]
}

// NewArray returns an empty array that belongs to unit u: the capture function of u must freeze
// it. The array is a value, to be a field of its owner; it must not be copied after its first use.
func NewArray[T any](u *Unit) Array[T] { return Array[T]{unit: u} }

// At returns the element at i, which must have been written before. The caller must not
// change it through the pointer. The pointer is valid until the next call of Mutable or Reset.
func (a *Array[T]) At(i uint32) *T {
	if int(i/dirRows) < len(a.root) {
		return &a.root[i/dirRows].pages[i/pageRows%dirPages][i%pageRows]
	}
	return &a.small.rows[i]
}

// Get returns the element at i, the zero T if it was never written.
func (a *Array[T]) Get(i uint32) T { return get(a.small, a.root, i) }

// Mutable returns the element at i for writing. It copies the element's page first if a pin
// may see it. The pointer is valid until the next call of Mutable or Reset, or of Clock.Freeze:
// a write through an older pointer would change a page that the new pin sees.
func (a *Array[T]) Mutable(i uint32) *T {
	if int(i/dirRows) < len(a.root) {
		d, p := a.root[i/dirRows], i/pageRows%dirPages
		if d.versions[p] > a.unit.clock.Shared() {
			return &d.pages[p][i%pageRows]
		}
	} else if s := a.small; s != nil && i < uint32(len(s.rows)) && s.version > a.unit.clock.Shared() {
		return &s.rows[i]
	}
	return a.own(i)
}

// own is the slow path of Mutable. It makes sure that directory and page exist and that no
// pin sees them. While a pin is open, the first write after its freeze always takes this path,
// because no page is newer than the freeze then. So own is the place that captures the unit.
func (a *Array[T]) own(i uint32) *T {
	a.unit.Touch()
	if a.root == nil && i < smallRows {
		return a.ownSmall(i)
	}
	if a.small != nil {
		a.smallToPage()
	}
	shared, now := a.unit.clock.Shared(), a.unit.clock.Now()
	a.growRoot(int(i / dirRows))
	d := a.root[i/dirRows]
	if d.version <= shared {
		copied := *d
		copied.version = now
		d = &copied
		a.root[i/dirRows] = d
	}
	p := i / pageRows % dirPages
	if d.pages[p] == nil {
		d.pages[p] = new(page[T])
	} else if d.versions[p] <= shared {
		copied := *d.pages[p]
		d.pages[p] = &copied
		a.unit.clock.copied += int64(unsafe.Sizeof(copied))
	}
	d.versions[p] = now
	return &d.pages[p][i%pageRows]
}

// ownSmall is own for an array that is empty or still a single slice.
func (a *Array[T]) ownSmall(i uint32) *T {
	var old []T
	if a.small != nil {
		old = a.small.rows
	}
	rows := make([]T, max(len(old), 1<<bits.Len32(i)))
	copy(rows, old)
	a.small = &smallArray[T]{version: a.unit.clock.Now(), rows: rows}
	return &rows[i]
}

// smallToPage moves the elements of the single slice into a page.
func (a *Array[T]) smallToPage() {
	rows := a.small.rows
	a.small = nil
	a.growRoot(0)
	p := new(page[T])
	copy(p[:], rows)
	a.root[0].pages[0], a.root[0].versions[0] = p, a.unit.clock.Now()
}

// Reset makes every element zero and frees the array's memory. Frozen arrays keep theirs.
func (a *Array[T]) Reset() {
	a.unit.Touch()
	a.small, a.root = nil, nil
}

// growRoot makes the root at least d+1 long. The last directory is new; skipped ones share
// one empty directory.
func (a *Array[T]) growRoot(d int) {
	if d < len(a.root) {
		return
	}
	if d > len(a.root) {
		empty := new(directory[T])
		for d > len(a.root) {
			a.root = append(a.root, empty)
		}
	}
	a.root = append(a.root, &directory[T]{version: a.unit.clock.Now()})
}

// Freeze returns the array as it is now. Only the capture function of its unit calls it. It
// copies the root: 8 B per 8,192 elements.
func (a *Array[T]) Freeze() Frozen[T] { return Frozen[T]{a.small, slices.Clone(a.root)} }

// Frozen is an Array as it was at a freeze.
//
// Thread safety: any number of readers, until the Pin is closed.
type Frozen[T any] struct {
	small *smallArray[T]
	root  []*directory[T]
}

// At returns the element at i, which must have been written before the freeze.
func (f *Frozen[T]) At(i uint32) *T {
	if int(i/dirRows) < len(f.root) {
		return &f.root[i/dirRows].pages[i/pageRows%dirPages][i%pageRows]
	}
	return &f.small.rows[i]
}

// Get returns the element at i, the zero T if it was never written.
func (f *Frozen[T]) Get(i uint32) T { return get(f.small, f.root, i) }

func get[T any](small *smallArray[T], root []*directory[T], i uint32) T {
	if int(i/dirRows) < len(root) {
		if p := root[i/dirRows].pages[i/pageRows%dirPages]; p != nil {
			return p[i%pageRows]
		}
	} else if small != nil && i < uint32(len(small.rows)) {
		return small.rows[i]
	}
	var zero T
	return zero
}
