package state

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// row is one row of a heap state. Key and value are adjacent in memory, so that reading a row
// costs one cache miss.
type row[K, V any] struct {
	key   K
	value V
}

// table holds the rows of one state as Go values of their own types.
//
// Problem: a snapshot must see the rows as they are at one moment, while the task continues to
// change them, and taking it must not take longer the more rows there are. And the backend,
// which finds rows, must not know the types of keys and values, or each access would box them
// in an interface.
//
// Idea: rows lie in numbered slots of a copy-on-write array (package cow). The backend supplies
// an index that maps a hash to a slot; it asks the table to compare rows by slot number. The row
// that an operation is about is the "probed" row: the current key of a Keyed in a namespace.
//
//	task:      seek ─► index.Find(hash) ─► slot 70 ─► rows[70]
//
//	live     root ─► directory 0' ─┬► page 1'      the first write to slot 70 after a
//	                               └► page 0 ◄┐    snapshot copied directory 0 and page 1
//	frozen   root ─► directory 0  ─┬──────────┘    (slots 64-127); page 0 (slots 0-63) is
//	                               └► page 1       still shared
//
// Taking a snapshot only advances a version number (cow.Clock). The table and its index are one
// cow.Unit. The first change after the snapshot, or the first read by the snapshot, whichever is
// earlier, freezes the unit: it copies the roots, 8 bytes for each 8,192 rows.
//
// Invariant: each change of rows, index or namespaces calls unit.Touch first, directly or
// through Array.Mutable. So a snapshot that has not frozen the unit yet freezes it before.
// Invariant: a used slot holds exactly one row, and len is the number of used slots.
// Invariant: a free slot holds the zero row, so it keeps nothing alive.
// Invariant: while the Keyed's keyVersion stays the same, lastSeek is the slot of the probed row,
// or backend.Probed if the table does not have the row. A Set after a Get of the same key costs no search.
//
// Cost: a hit reads one word of a hash index and one row. A first write to a page after a
// snapshot copies 64 rows; the first one to a directory also copies 2 KiB.
//
// Values with parts of their own follow the same rule: a list is append-only below the length
// that a snapshot has seen (heapList), and a map is cloned at its first write after a snapshot
// (sortedMap).
//
// Thread safety: the task's goroutine only. Other goroutines read a frozenTable.
type table[K, V any] struct {
	registry *backend.Registry
	unit     *backend.Unit // freezes the table and its index together
	info     *backend.Info
	index    backend.Index

	rows       cow.Array[row[K, V]]
	used       cow.Array[uint64]  // bit i of element n: slot 64n+i holds a row
	groups     *cow.Array[uint16] // see slotContent.group; nil while all elements are 0
	namespaces *namespaces        // nil while all rows and handles are in the void namespace

	slots   uint32 // 1 + the highest slot used since the last Reset of the index
	len     int
	changes uint64               // incremented by every change; a live cursor compares it
	idle    bool                 // the registry will call Trim
	moved   *[]slotContent[K, V] // scratch of Rearrange
	key     []byte               // scratch of Hash

	probedBy    *Keyed[K] // the probed row has the current key of this Keyed
	namespaceID uint32    // and this namespace
	lastSeek    struct {  // valid while probedBy.keyVersion equals keyVersion
		keyVersion uint64
		slot       uint32 // backend.Probed: there is no such row
	}

	declaredOn *Keyed[K] // the Keyed that declared the state first
}

// init makes an empty table without index. Freeze must return a frozen copy of the table and its
// index.
func (t *table[K, V]) init(k *Keyed[K], info *backend.Info, freeze func() any) {
	t.registry, t.info, t.declaredOn = k.registry, info, k
	t.unit = k.registry.NewUnit(freeze)
	t.rows = cow.NewArray[row[K, V]](t.unit)
	t.used = cow.NewArray[uint64](t.unit)
}

// seek makes the current key of k in a namespace the probed row and returns its slot. It
// returns false if there is no such row.
func (t *table[K, V]) seek(k *Keyed[K], namespaceID uint32) (slot uint32, ok bool) {
	if t.probedBy == k && t.lastSeek.keyVersion == k.keyVersion && t.namespaceID == namespaceID {
		return t.lastSeek.slot, t.lastSeek.slot != backend.Probed
	}
	t.probedBy = k
	t.namespaceID = namespaceID
	slot, ok = t.index.Find(t.hash())
	if !ok {
		slot = backend.Probed
	}
	t.lastSeek.keyVersion, t.lastSeek.slot = k.keyVersion, slot
	return slot, ok
}

// hash returns the hash of the probed row.
func (t *table[K, V]) hash() uint64 { return tableHash(t.probedBy.hash, t.namespaceID) }

// Probed implements backend.Table.
func (t *table[K, V]) Probed() (group uint16, prefix uint64) {
	return t.probedBy.group, keyPrefix(t.probedBy.encoded)
}

// keyPrefix returns the first eight bytes of an encoded key as a big-endian number. A shorter
// key is padded with zeros at the end.
func keyPrefix(encoded []byte) uint64 {
	if len(encoded) >= 8 {
		return binary.BigEndian.Uint64(encoded)
	}
	var first [8]byte
	copy(first[:], encoded)
	return binary.BigEndian.Uint64(first[:])
}

// tableHash returns the hash of a key in a namespace. It mixes in the namespace ID by Fibonacci
// hashing (the factor is 2^64 divided by the golden ratio) and swaps the halves: the top bits of
// the upper half select the key group, so they are nearly equal for all keys of a backend that
// owns few key groups.
func tableHash(hash uint64, namespaceID uint32) uint64 {
	return bits.RotateLeft64(hash^uint64(namespaceID)*0x9e3779b97f4a7c15, 32)
}

// put returns a pointer to the value of the probed row, for writing. If the table does not have
// the row, put inserts it with a zero value. The caller must have called seek. The pointer is valid until
// the next change of the table.
func (t *table[K, V]) put() (*V, error) {
	t.changes++
	if t.lastSeek.slot == backend.Probed {
		if err := t.insert(); err != nil {
			return nil, err
		}
	}
	return &t.rows.Mutable(t.lastSeek.slot).value, nil
}

// insert adds the probed row with a zero value. The table must not have such a row.
func (t *table[K, V]) insert() error {
	if err := t.probedBy.checkFits(t.namespaces.name(t.namespaceID), 0); err != nil {
		return err
	}
	t.unit.Touch()
	slot, err := t.index.Insert(t.hash())
	if err != nil {
		return err
	}
	p := slotContent[K, V]{row: row[K, V]{key: t.probedBy.key}, namespaceID: t.namespaceID}
	if t.probedBy.group != KeyGroup(t.probedBy.hash, t.registry.Keyspace().MaxParallelism) {
		p.group = t.probedBy.group + 1
	}
	t.setSlot(slot, p)
	t.namespaces.retain(t.namespaceID)
	t.len++
	t.lastSeek.slot = slot
	return nil
}

// remove removes the probed row, if there is one. The caller must have called seek. A table
// that becomes empty is reported to the registry, which trims it later.
func (t *table[K, V]) remove() {
	slot := t.lastSeek.slot
	if slot == backend.Probed {
		return
	}
	t.changes++
	t.unit.Touch()
	t.index.Delete(t.hash(), slot)
	t.clearSlot(slot)
	t.namespaces.release(t.namespaceID)
	t.len--
	t.lastSeek.slot = backend.Probed
	if t.len == 0 && t.slots > 1 && !t.idle {
		t.idle = true
		bindingOf(t.registry).Idle(t)
	}
}

// Changes implements statebind.Trimmable.
func (t *table[K, V]) Changes() uint64 { return t.changes }

// Trim implements statebind.Trimmable. It drops the arrays and the slots of an empty table.
func (t *table[K, V]) Trim() {
	t.idle = false
	if t.len > 0 {
		return
	}
	t.unit.Touch()
	t.index.Reset()
	t.rows.Reset()
	t.used.Reset()
	t.groups, t.moved, t.slots = nil, nil, 0
	if t.namespaces.unused() {
		t.namespaces = nil
	}
}

// slotContent is everything that the arrays of a table hold for one slot.
type slotContent[K, V any] struct {
	row         row[K, V]
	namespaceID uint32
	// group is 1 + the key group if the caller of SetKeyAndGroup chose another group than
	// the key's hash gives, else 0.
	group uint16
}

// setSlot writes a row into a free slot.
func (t *table[K, V]) setSlot(slot uint32, p slotContent[K, V]) {
	*t.rows.Mutable(slot) = p.row
	*t.used.Mutable(slot / 64) |= 1 << (slot % 64)
	t.namespaces.setID(slot, p.namespaceID)
	t.putGroup(slot, p.group)
	t.slots = max(t.slots, slot+1)
}

// clearSlot frees a slot and returns its content. It zeroes the row, so that the slot does not
// keep the row's memory alive.
func (t *table[K, V]) clearSlot(slot uint32) slotContent[K, V] {
	p := slotContent[K, V]{t.rows.Get(slot), t.namespaces.idAt(slot), t.groupAt(slot)}
	*t.rows.Mutable(slot) = row[K, V]{}
	*t.used.Mutable(slot / 64) &^= 1 << (slot % 64)
	return p
}

// Rearrange implements backend.Table.
func (t *table[K, V]) Rearrange(from, to []uint32) {
	if t.moved == nil {
		t.moved = new([]slotContent[K, V])
	}
	moved := (*t.moved)[:0]
	for _, slot := range from {
		moved = append(moved, t.clearSlot(slot))
	}
	for i, slot := range to {
		t.setSlot(slot, moved[i])
	}
	clear(moved)
	*t.moved = moved
}

// Hash implements backend.Table. Encoding the key cannot fail: it was encoded before it was
// inserted.
func (t *table[K, V]) Hash(slot uint32) uint64 {
	t.key, _ = t.declaredOn.codec.Append(t.key[:0], t.rows.At(slot).key)
	return tableHash(xxhash.Sum64(t.key), t.namespaces.idAt(slot))
}

// groupAt returns slotContent.group of a slot.
func (t *table[K, V]) groupAt(slot uint32) uint16 {
	if t.groups == nil {
		return 0
	}
	return t.groups.Get(slot)
}

// putGroup sets slotContent.group of a slot.
func (t *table[K, V]) putGroup(slot uint32, group uint16) {
	if group == t.groupAt(slot) {
		return
	}
	if t.groups == nil {
		t.unit.Touch() // freezing the unit reads t.groups
		groups := cow.NewArray[uint16](t.unit)
		t.groups = &groups
	}
	*t.groups.Mutable(slot) = group
}

// groupOf returns the key group of the probed row, which is in the slot.
func (t *table[K, V]) groupOf(slot uint32) uint16 {
	if g := t.groupAt(slot); g != 0 {
		return g - 1
	}
	return KeyGroup(t.probedBy.hash, t.registry.Keyspace().MaxParallelism)
}

// Matches implements backend.Table.
func (t *table[K, V]) Matches(slot uint32) bool {
	return t.probedBy.codec.Compare(t.rows.At(slot).key, t.probedBy.key) == 0 &&
		(t.namespaces == nil || t.namespaces.idAt(slot) == t.namespaceID)
}

// Compare implements backend.Table.
func (t *table[K, V]) Compare(a, b uint32) int {
	if c := t.probedBy.codec.Compare(t.keyAt(a), t.keyAt(b)); c != 0 {
		return c
	}
	return bytes.Compare(t.namespaces.name(t.namespaceIDAt(a)), t.namespaces.name(t.namespaceIDAt(b)))
}

// keyAt returns the key of the row in a slot, or of the probed row for backend.Probed.
func (t *table[K, V]) keyAt(slot uint32) K {
	if slot == backend.Probed {
		return t.probedBy.key
	}
	return t.rows.At(slot).key
}

// namespaceIDAt returns the namespace ID of the row in a slot, or of the probed row for
// backend.Probed.
func (t *table[K, V]) namespaceIDAt(slot uint32) uint32 {
	if slot == backend.Probed {
		return t.namespaceID
	}
	return t.namespaces.idAt(slot)
}

// Len implements backend.Table.
func (t *table[K, V]) Len() int { return t.len }
