package state

import (
	"reflect"
	"slices"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// listRow is a list in a hot tier: all of its elements, or only those that were appended since the
// row was made.
//
// Problem: an append must not read the list, so the beginning of a list may be below while its end
// is in the tier. The end is written below epoch by epoch, and a read that joins both parts must
// neither lose an element nor see it twice.
//
// Idea: a row whose beginning was never read has the flag tail. It knows in which epoch each of its
// elements was appended. A read drops the elements of installed epochs, which are below by now, and
// puts the others behind the elements that it reads below. Then the row is whole and needs only
// one number: sealed, where the elements of the newest written epoch begin.
//
//	epoch        4            5           6           7 = written
//	tail row     installed    pending     pending     dirty
//	elements     a b          c           d e         f
//	             ─┬─          ─────┬─────             ▲ sealed
//	              └ below          └ older: {6, 2} ► {5, 1} ► {4, 2}
//
//	below: … a b          Get: … a b c d e f, which makes the row whole
//
// A list that is known not to be below, such as one that was added to a new window, is whole from
// its first element. A list that is set or cleared is whole too. The run of that epoch deletes
// the rows below first, unless the list was fresh.
//
// Invariant: an element below the length of the slice is never overwritten, so that the encoder
// may read a frozen row while the task appends to the list.
// Invariant: elements[sealed:] were appended in the epoch written. If replaced is set, sealed is 0.
// Invariant: a row without tail has no older parts. It is absent if it has no elements.
//
// Cost: 40 bytes more than a slice. A tail row has one listPart for each pending epoch; the first
// write in an epoch copies its pending elements if others are installed.
type listRow[E any] struct {
	mark
	tail     bool      // the elements are the end of the list
	replaced bool      // the list was set or cleared in the epoch written, and was not fresh
	sealed   int       // number of elements that were appended before the epoch written
	older    *listPart // if tail: the epochs of elements[:sealed]
	elements []E
	payload  int64 // memory that the elements refer to, in bytes
}

// listPart is the part of a tail row that was appended in one epoch. A frozen row shares its parts with
// the live one, which may shorten the chain: the encoder must not read them.
type listPart struct {
	epoch uint32
	n     int       // number of elements
	older *listPart // the part before
}

// begin prepares the row for a write in the current epoch.
func (r *listRow[E]) begin(t *backend.Tier, f *listRowFormat[E]) {
	if r.written == t.Epoch() {
		return
	}
	if r.tail {
		r.older = &listPart{r.written, len(r.elements) - r.sealed, r.older}
	}
	r.sealed, r.replaced = len(r.elements), false
	r.mark.begin(t)
	r.dropInstalled(t, f)
}

// dropInstalled removes the elements of a tail row that are below by now. They are the oldest,
// because epochs are installed in order.
func (r *listRow[E]) dropInstalled(t *backend.Tier, f *listRowFormat[E]) {
	at, pending := &r.older, 0
	for *at != nil && !t.IsInstalled((*at).epoch) {
		pending += (*at).n
		at = &(*at).older
	}
	if *at == nil {
		return
	}
	*at = nil
	n := r.sealed - pending
	r.payload -= f.payloadOf(r.elements[:n])
	r.elements = slices.Clone(r.elements[n:]) // a part of the old array would keep all of it in memory
	r.sealed = pending
}

// complete makes a tail row whole, given the elements below.
func (r *listRow[E]) complete(t *backend.Tier, below []E, f *listRowFormat[E]) {
	r.dropInstalled(t, f)
	if t.IsInstalled(r.written) {
		r.elements, r.payload, r.sealed = nil, 0, 0
	}
	r.sealed += len(below)
	r.payload += f.payloadOf(below)
	r.elements = append(below, r.elements...)
	r.tail, r.older = false, nil
	r.absent = len(r.elements) == 0
}

// replace replaces the elements. The caller sets or clears the mark.
func (r *listRow[E]) replace(t *backend.Tier, elements []E, f *listRowFormat[E]) {
	r.tail, r.older = false, nil
	r.begin(t, f)
	r.replaced, r.sealed = !r.fresh, 0
	r.elements, r.payload = elements, f.payloadOf(elements)
}

// listRowFormat is the tierFormat of list states.
type listRowFormat[E any] struct {
	rows         listFormat[E]
	sizeOf       func(E) int64 // see sizeOf; may be nil
	elementBytes int64         // memory of an element without what it refers to
}

func listRowFormatOf[E any](c codec.Codec[E]) listRowFormat[E] {
	return listRowFormat[E]{listFormat[E]{c}, sizeOf(c), int64(reflect.TypeFor[E]().Size())}
}

// rowOf returns the row of a list that was read from below.
func (f *listRowFormat[E]) rowOf(list []E) listRow[E] {
	return listRow[E]{mark: mark{absent: len(list) == 0}, elements: list, payload: f.payloadOf(list)}
}

func (f listRowFormat[E]) mark(r *listRow[E]) *mark { return &r.mark }

func (f listRowFormat[E]) size(r *listRow[E]) int64 {
	return int64(cap(r.elements))*f.elementBytes + r.payload
}

// payloadOf returns the memory that elements refer to, in bytes.
func (f *listRowFormat[E]) payloadOf(elements []E) (bytes int64) {
	if f.sizeOf == nil {
		return 0
	}
	for _, e := range elements {
		bytes += f.sizeOf(e)
	}
	return bytes
}

func (f listRowFormat[E]) entries(r *listRow[E], _ uint32, b *rowBuffer, yield func(op backend.Op, key, value []byte) error) (err error) {
	if r.replaced {
		if err := yield(backend.OpDeletePrefix, b.key, nil); err != nil {
			return err
		}
	}
	b.value, err = f.rows.chunks(r.elements[r.sealed:], b.value, func(chunk []byte) error {
		return yield(backend.OpAppend, b.key, chunk)
	})
	return err
}
