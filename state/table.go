package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// row is one entry of a heap state. Key and value lie side by side, so that a
// hit costs one cache line.
type row[K, V any] struct {
	key   K
	value V
}

// table is the typed storage of one heap state. Rows sit in slots of paged
// copy-on-write arrays; the backend's index says in which.
//
// Thread safety: the task's goroutine only; a frozenTable may be read by
// others.
type table[K, V any] struct {
	registry *backend.Registry
	unit     *backend.Unit // the table and its index; see Frozen
	info     *backend.Info
	format   format[V]
	index    backend.Index

	rows   cow.Array[row[K, V]]
	used   cow.Array[uint64]  // a bit for each slot that holds a row
	groups *cow.Array[uint16] // 1 + key group of each slot where the hash does not give it; nil while it always does
	spaces *namespaces        // nil while every row and handle is in the void one

	slots uint32 // no slot from here on was used since the last Reset of the index
	space uint32 // the probed row is in this namespace
	len   int
	mods  uint64         // counts changes; a cursor seeks again when it moves
	idle  bool           // the registry trims the table if it stays empty
	moved *[]place[K, V] // scratch for Rearrange, nil until it is first called
	key   []byte         // scratch for Hash

	at   *Keyed[K] // the probed row is at's current key
	memo struct {  // what the last seek found, while at's key stays
		turn uint64
		slot uint32 // Probed: nothing
	}

	home   *Keyed[K] // the state was declared on
	loader *Keyed[K] // its current key is that of the row loaded last; nil until one is
}

// format is how one value of a table looks in a snapshot: a scalar, or spread
// over rows. It is used by the task and by snapshots at the same time, and holds
// codecs only.
type format[V any] interface {
	// load puts one row of bytes into the value, which is zero at first.
	load(old V, clock *cow.Clock, suffix, value []byte) (V, error)
}

// spread is a format of values that are any number of rows.
type spread[V any] interface {
	format[V]
	// rows calls yield with the rows of bytes that the value is, but for those whose
	// suffix is below from. Their key without suffix is in the buffer.
	rows(v V, b *rowBuffer, from []byte, yield func(key, value []byte) error) error
	// value adds to dst the stored value of the row with a suffix, ok false if the
	// value has none.
	value(v V, suffix, dst []byte) (value []byte, ok bool, err error)
}

// rowBuffer is memory that calls of Rows reuse. It belongs to one goroutine.
type rowBuffer struct{ key, value []byte }

// tableOf returns the table behind a declared state.
func tableOf[K, V any](k *Keyed[K], b backend.HeapBackend, info backend.Info, f format[V]) (heapHandle[K, V], error) {
	storage, err := bindingOf(k.registry).Declare(info, func(info *backend.Info) (any, error) {
		t := &table[K, V]{
			registry: k.registry, info: info, format: f, home: k,
		}
		t.unit = k.registry.NewUnit(t.take)
		t.rows = cow.NewArray[row[K, V]](t.unit)
		t.used = cow.NewArray[uint64](t.unit)
		index, err := b.AddTable(*info, t)
		t.index = index
		return t, err
	})
	if err != nil {
		return heapHandle[K, V]{}, err
	}
	t, ok := storage.(*table[K, V])
	if !ok {
		return heapHandle[K, V]{}, errOtherTypes(info.Name)
	}
	return heapHandle[K, V]{keyed: k, table: t}, nil
}

// seek finds the slot of the current key of k in a namespace, and makes that
// row the probed one.
func (t *table[K, V]) seek(k *Keyed[K], space uint32) (slot uint32, ok bool) {
	if t.at == k && t.memo.turn == k.turn && t.space == space {
		return t.memo.slot, t.memo.slot != backend.Probed
	}
	t.at = k
	t.space = space
	slot, ok = t.index.Find(t.hash())
	if !ok {
		slot = backend.Probed
	}
	t.memo.turn, t.memo.slot = k.turn, slot
	return slot, ok
}

// hash is the hash of the probed row.
func (t *table[K, V]) hash() uint64 { return tableHash(t.at.hash, t.space) }

// Probed implements backend.Table.
func (t *table[K, V]) Probed() (group uint16, prefix uint64) {
	return t.at.group, keyPrefix(t.at.encoded)
}

// keyPrefix is the first eight bytes of an encoded key, zeros behind, as a
// big-endian number.
func keyPrefix(encoded []byte) uint64 {
	if len(encoded) >= 8 {
		return binary.BigEndian.Uint64(encoded)
	}
	var first [8]byte
	copy(first[:], encoded)
	return binary.BigEndian.Uint64(first[:])
}

// tableHash is a key's hash with its halves swapped, since the top bits of the
// upper half are nearly the same all over a backend that owns few key groups,
// and a constant for the namespace. The factor is 2^64 over the golden ratio.
func tableHash(hash uint64, space uint32) uint64 {
	return bits.RotateLeft64(hash^uint64(space)*0x9e3779b97f4a7c15, 32)
}

// put returns the value of the probed row for writing, added if it is new. It
// must follow a seek. The pointer is good until the next change of the table.
func (t *table[K, V]) put() (*V, error) {
	t.mods++
	if t.memo.slot == backend.Probed {
		if err := t.insert(); err != nil {
			return nil, err
		}
	}
	return &t.rows.Mutable(t.memo.slot).value, nil
}

// insert adds the probed row with a zero value.
func (t *table[K, V]) insert() error {
	if err := t.at.fits(t.spaces.name(t.space), 0); err != nil {
		return err
	}
	t.unit.Touch()
	slot, err := t.index.Insert(t.hash())
	if err != nil {
		return err
	}
	p := place[K, V]{row: row[K, V]{key: t.at.key}, space: t.space}
	if t.at.group != KeyGroup(t.at.hash, t.registry.Keyspace().MaxParallelism) {
		p.group = t.at.group + 1
	}
	t.settle(slot, p)
	t.spaces.hold(t.space)
	t.len++
	t.memo.slot = slot
	return nil
}

// remove removes the probed row, if there is one. It must follow a seek.
func (t *table[K, V]) remove() {
	slot := t.memo.slot
	if slot == backend.Probed {
		return
	}
	t.mods++
	t.unit.Touch()
	t.index.Delete(t.hash(), slot)
	t.vacate(slot)
	t.spaces.release(t.space)
	t.len--
	t.memo.slot = backend.Probed
	if t.len == 0 && t.slots > 1 && !t.idle {
		t.idle = true
		bindingOf(t.registry).Idle(t)
	}
}

// Changes implements statebind.Trimmable.
func (t *table[K, V]) Changes() uint64 { return t.mods }

// Trim implements statebind.Trimmable.
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
	if t.spaces.unused() {
		t.spaces = nil
	}
}

// place is all that a slot holds.
type place[K, V any] struct {
	row   row[K, V]
	space uint32
	group uint16 // as in table.groups
}

// settle puts a row into an empty slot.
func (t *table[K, V]) settle(slot uint32, p place[K, V]) {
	*t.rows.Mutable(slot) = p.row
	*t.used.Mutable(slot / 64) |= 1 << (slot % 64)
	t.spaces.put(slot, p.space)
	t.putGroup(slot, p.group)
	t.slots = max(t.slots, slot+1)
}

// vacate empties a slot, so that nothing keeps what it pointed to, and returns
// what was there.
func (t *table[K, V]) vacate(slot uint32) place[K, V] {
	p := place[K, V]{t.rows.Get(slot), t.spaces.of(slot), t.groupAt(slot)}
	*t.rows.Mutable(slot) = row[K, V]{}
	*t.used.Mutable(slot / 64) &^= 1 << (slot % 64)
	return p
}

// Rearrange implements backend.Table.
func (t *table[K, V]) Rearrange(from, to []uint32) {
	if t.moved == nil {
		t.moved = new([]place[K, V])
	}
	moved := (*t.moved)[:0]
	for _, slot := range from {
		moved = append(moved, t.vacate(slot))
	}
	for i, slot := range to {
		t.settle(slot, moved[i])
	}
	clear(moved)
	*t.moved = moved
}

// Hash implements backend.Table. A key that has entered the table has an encoding.
func (t *table[K, V]) Hash(slot uint32) uint64 {
	t.key, _ = t.home.codec.Append(t.key[:0], t.rows.At(slot).key)
	return tableHash(xxhash.Sum64(t.key), t.spaces.of(slot))
}

// groupAt returns what groups holds for a slot.
func (t *table[K, V]) groupAt(slot uint32) uint16 {
	if t.groups == nil {
		return 0
	}
	return t.groups.Get(slot)
}

// putGroup changes what groups holds for a slot.
func (t *table[K, V]) putGroup(slot uint32, group uint16) {
	if group == t.groupAt(slot) {
		return
	}
	if t.groups == nil {
		t.unit.Touch() // a reader that takes the unit looks at groups
		groups := cow.NewArray[uint16](t.unit)
		t.groups = &groups
	}
	*t.groups.Mutable(slot) = group
}

// groupOf is the key group of the probed row, which is in the slot.
func (t *table[K, V]) groupOf(slot uint32) uint16 {
	if g := t.groupAt(slot); g != 0 {
		return g - 1
	}
	return KeyGroup(t.at.hash, t.registry.Keyspace().MaxParallelism)
}

// Matches implements backend.Table.
func (t *table[K, V]) Matches(slot uint32) bool {
	return t.at.codec.Compare(t.rows.At(slot).key, t.at.key) == 0 &&
		(t.spaces == nil || t.spaces.of(slot) == t.space)
}

// Compare implements backend.Table.
func (t *table[K, V]) Compare(a, b uint32) int {
	if c := t.at.codec.Compare(t.keyAt(a), t.keyAt(b)); c != 0 {
		return c
	}
	return bytes.Compare(t.spaces.name(t.spaceAt(a)), t.spaces.name(t.spaceAt(b)))
}

func (t *table[K, V]) keyAt(slot uint32) K {
	if slot == backend.Probed {
		return t.at.key
	}
	return t.rows.At(slot).key
}

func (t *table[K, V]) spaceAt(slot uint32) uint32 {
	if slot == backend.Probed {
		return t.space
	}
	return t.spaces.of(slot)
}

// Len implements backend.Table.
func (t *table[K, V]) Len() int { return t.len }

// Load implements backend.Table. Rows of one key and namespace that follow each other
// seek it once.
func (t *table[K, V]) Load(group uint16, key, value []byte) error {
	if t.loader == nil {
		t.loader = newKeyed(t.registry, t.home.codec)
	}
	encoded, namespace, suffix, err := backend.SplitPrefix(key, t.loader.keySize)
	if err != nil {
		return wrapCorrupt(t.info.Name, err)
	}
	if k := t.loader; !k.set || k.group != group || string(k.encoded) != string(encoded) {
		decoded, err := k.codec.Decode(encoded)
		if err == nil {
			err = k.encode(decoded)
		}
		if err != nil {
			return wrapCorrupt(t.info.Name, err)
		}
		k.key, k.group, k.set = decoded, group, true
	}
	space := t.intern(namespace)
	defer t.spaces.release(space)
	slot, ok := t.seek(t.loader, space)
	var old V
	if ok {
		if t.groupOf(slot) != group {
			return wrapCorrupt(t.info.Name, fmt.Errorf("a key in key groups %d and %d", t.groupOf(slot), group))
		}
		old = t.rows.At(slot).value
	}
	loaded, err := t.format.load(old, t.home.clock, suffix, value)
	if err != nil {
		return wrapCorrupt(t.info.Name, err)
	}
	into, err := t.put()
	if err != nil {
		return wrapState(t.info.Name, err)
	}
	*into = loaded
	return nil
}

// taken is a table with its index as a snapshot has them.
type taken struct {
	table backend.FrozenTable
	index backend.FrozenIndex
}

// Frozen implements backend.Table.
func (t *table[K, V]) Frozen(p *backend.Pin) (backend.FrozenTable, backend.FrozenIndex) {
	f, _ := p.Of(t.unit).(taken)
	return f.table, f.index
}

// take returns the table and its index as they are now. While it runs nothing of what it
// reads may change: whatever changes them touches the unit before.
func (t *table[K, V]) take() any { return taken{t.freeze(), t.index.Freeze()} }

func (t *table[K, V]) freeze() backend.FrozenTable {
	single, _ := t.format.(scalar[V])
	spread, _ := t.format.(spread[V])
	var groups cow.Frozen[uint16]
	if t.groups != nil {
		groups = t.groups.Freeze()
	}
	return &frozenTable[K, V]{frozenRows: frozenRows[K, V]{
		id: t.info.ID(), codec: t.home.codec, keySize: t.home.keySize,
		single: single.codec, spread: spread,
		maxParallelism: t.registry.Keyspace().MaxParallelism,
		rows:           t.rows.Freeze(), used: t.used.Freeze(), groups: groups,
		spaces: t.spaces.freeze(), slots: t.slots,
	}}
}
