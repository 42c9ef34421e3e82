package cow

import (
	"math/bits"
	"slices"
)

const (
	// pageRows is how many elements a first write after a freeze copies. A
	// constant, so that finding an element takes no bounds but the root's.
	pageRows = 64
	// dirPages is how many pages one directory holds: 2 KiB, copied once for
	// all first writes to its 8,192 elements. More would make small arrays
	// large, fewer would make the root, which every freeze copies, long.
	dirPages = 128
	dirRows  = dirPages * pageRows
	// firstRows is up to how many elements an array is one slice that doubles.
	firstRows = pageRows / 2
)

// Array is a growable array of T in pages of 64 elements, under directories of
// 128 pages, under one root. An element never written is the zero T. Pages and
// directories come when they are first written; what is skipped costs a pointer
// for every 8,192 elements.
//
//	up to 32 elements     first -> 1, 2, 4, 8, 16 or 32 elements
//	more                  root -> directory, directory, ... -> pages of 64 elements
//
// An array of few elements is one slice instead, since a job may declare thousands of
// states with hardly a row each, and the first directory and page take 4 KiB.
//
// Pages of a T without pointers are invisible to the garbage collector's scan.
//
// Thread safety: one writer, which is also the only reader of the Array
// itself. A Frozen may be read from other goroutines while the writer goes on.
type Array[T any] struct {
	unit  *Unit
	first *first[T] // all elements while they are few; nil before the first one and once there is a root
	root  []*directory[T]
}

// first is the elements of an array that has no more than firstRows.
type first[T any] struct {
	version uint64
	rows    []T
}

type page[T any] [pageRows]T

// A directory of version 0 without pages stands for those that were skipped. It may be at
// several places of a root, and is never written.
type directory[T any] struct {
	version  uint64
	versions [dirPages]uint64 // 0 where there is no page
	pages    [dirPages]*page[T]
}

// NewArray returns an empty array that belongs to a unit. It is a value, to lie in
// what it belongs to; it must not be copied once it is in use.
func NewArray[T any](u *Unit) Array[T] { return Array[T]{unit: u} }

// At returns the element at i, which must have been written before and must
// not be modified through the pointer. The pointer is good until the next call
// of Mutable.
func (a *Array[T]) At(i uint32) *T {
	if int(i/dirRows) < len(a.root) {
		return &a.root[i/dirRows].pages[i/pageRows%dirPages][i%pageRows]
	}
	return &a.first.rows[i]
}

// Get returns the element at i, zero if it was never written.
func (a *Array[T]) Get(i uint32) T { return get(a.first, a.root, i) }

// Mutable returns the element at i for writing, copied first if a freeze sees
// it. The pointer is good until the next call of Mutable or Freeze.
func (a *Array[T]) Mutable(i uint32) *T {
	if int(i/dirRows) < len(a.root) {
		d, p := a.root[i/dirRows], i/pageRows%dirPages
		if d.versions[p] > a.unit.clock.Shared() {
			return &d.pages[p][i%pageRows]
		}
	} else if f := a.first; f != nil && i < uint32(len(f.rows)) && f.version > a.unit.clock.Shared() {
		return &f.rows[i]
	}
	return a.own(i)
}

// own is the slow half of Mutable: it makes directory and page exist and belong
// to the writer alone. The first write after a freeze comes here, since no page is
// newer than the freeze then.
func (a *Array[T]) own(i uint32) *T {
	a.unit.Touch()
	if a.root == nil && i < firstRows {
		return a.ownFirst(i)
	}
	if a.first != nil {
		a.leaveFirst()
	}
	shared, now := a.unit.clock.Shared(), a.unit.clock.Now()
	a.skipTo(int(i / dirRows))
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
	}
	d.versions[p] = now
	return &d.pages[p][i%pageRows]
}

// ownFirst is own for an array that is still one slice, or nothing.
func (a *Array[T]) ownFirst(i uint32) *T {
	var old []T
	if a.first != nil {
		old = a.first.rows
	}
	rows := make([]T, max(len(old), 1<<bits.Len32(i)))
	copy(rows, old)
	a.first = &first[T]{version: a.unit.clock.Now(), rows: rows}
	return &rows[i]
}

// leaveFirst moves the elements of the one slice into a page.
func (a *Array[T]) leaveFirst() {
	rows := a.first.rows
	a.first = nil
	a.skipTo(0)
	p := new(page[T])
	copy(p[:], rows)
	a.root[0].pages[0], a.root[0].versions[0] = p, a.unit.clock.Now()
}

// Reset makes every element zero and gives back all memory.
func (a *Array[T]) Reset() {
	a.unit.Touch()
	a.first, a.root = nil, nil
}

// skipTo makes the root long enough for a directory: a new one, after an empty one in the
// place of all that are skipped.
func (a *Array[T]) skipTo(d int) {
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

// Freeze returns the array as it is now, for the take of its unit. It copies the
// root: 8 B for every 8,192 elements.
func (a *Array[T]) Freeze() Frozen[T] { return Frozen[T]{a.first, slices.Clone(a.root)} }

// Frozen is an Array as it was at a freeze.
//
// Thread safety: any number of readers, until the Pin is closed.
type Frozen[T any] struct {
	first *first[T]
	root  []*directory[T]
}

// At returns the element at i, which must have been written before the freeze.
func (f *Frozen[T]) At(i uint32) *T {
	if int(i/dirRows) < len(f.root) {
		return &f.root[i/dirRows].pages[i/pageRows%dirPages][i%pageRows]
	}
	return &f.first.rows[i]
}

// Get returns the element at i, zero if it was never written.
func (f *Frozen[T]) Get(i uint32) T { return get(f.first, f.root, i) }

func get[T any](first *first[T], root []*directory[T], i uint32) T {
	if int(i/dirRows) < len(root) {
		if p := root[i/dirRows].pages[i/pageRows%dirPages]; p != nil {
			return p[i%pageRows]
		}
	} else if first != nil && i < uint32(len(first.rows)) {
		return first.rows[i]
	}
	var zero T
	return zero
}
