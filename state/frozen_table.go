package state

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// frozenTable is a table at the time of a snapshot, with the scratch memory of one reader.
type frozenTable[K, V any] struct {
	frozenRows[K, V]

	last     keysRead[K]
	gathered gathered
	row      rowBuffer // scratch of Rows
}

// frozenRows is the part of a frozenTable that never changes. All readers share it.
type frozenRows[K, V any] struct {
	id             ID
	codec          codec.Codec[K]
	keySize        int
	single         codec.Codec[V] // the values' codec if format is scalar, else nil
	spread         rowsFormat[V]  // the format if it is not scalar
	maxParallelism int
	rows           cow.Frozen[row[K, V]]
	used           cow.Frozen[uint64]
	groups         cow.Frozen[uint16]
	namespaces     frozenNamespaces
	slots          uint32
}

// frozenRows returns a frozen copy of the rows, whose values are encoded by one of the arguments.
func (t *table[K, V]) frozenRows(single codec.Codec[V], spread rowsFormat[V]) frozenRows[K, V] {
	var groups cow.Frozen[uint16]
	if t.groups != nil {
		groups = t.groups.Freeze()
	}
	return frozenRows[K, V]{
		id: t.info.ID(), codec: t.declaredOn.codec, keySize: t.declaredOn.keySize,
		single: single, spread: spread,
		maxParallelism: t.registry.Keyspace().MaxParallelism,
		rows:           t.rows.Freeze(), used: t.used.Freeze(), groups: groups,
		namespaces: t.namespaces.freeze(), slots: t.slots,
	}
}

// Reader implements backend.FrozenTable.
func (f *frozenTable[K, V]) Reader() backend.FrozenTable {
	return &frozenTable[K, V]{frozenRows: f.frozenRows}
}

// Slots implements backend.FrozenTable.
func (f *frozenTable[K, V]) Slots() uint32 { return f.slots }

// Groups implements backend.FrozenTable.
func (f *frozenTable[K, V]) Groups(first uint32, groups []uint16) {
	for i := range groups {
		groups[i] = MaxKeyGroups
	}
	for at := 0; at < len(groups); at += 64 {
		base := first + uint32(at)
		var slots [64]uint32
		n := 0
		for used := f.used.Get(base / 64); used != 0; used &= used - 1 {
			slots[n] = base + uint32(bits.TrailingZeros64(used))
			n++
		}
		f.eachKey(slots[:n], func(i int, encoded []byte) {
			groups[slots[i]-first] = f.groupOf(slots[i], encoded)
		})
	}
}

// groupOf returns the key group of the row in a slot, given its encoded key.
func (f *frozenTable[K, V]) groupOf(slot uint32, encoded []byte) uint16 {
	if g := f.groups.Get(slot); g != 0 {
		return g - 1
	}
	return KeyGroup(xxhash.Sum64(encoded), f.maxParallelism)
}

// Prefixes implements backend.FrozenTable.
func (f *frozenTable[K, V]) Prefixes(slots []uint32, from int, prefixes []uint64) {
	f.eachKey(slots, func(i int, encoded []byte) {
		prefixes[i] = keyPrefix(encoded[min(from, len(encoded)):])
	})
}

// eachKey calls do with the encoded key of each slot, in the order of slots.
func (f *frozenTable[K, V]) eachKey(slots []uint32, do func(i int, encoded []byte)) {
	for at := 0; at < len(slots); {
		n := f.read(slots[at:min(at+64, len(slots))])
		for i := range n {
			do(at+i, f.encoded(i))
		}
		at += n
	}
}

// keysRead holds the keys of the slots that were read last.
type keysRead[K any] struct {
	keys    []K
	encoded []byte // the encodings, concatenated
	ends    []int  // where each encoding ends in encoded
}

// read loads the keys of slots and encodes the first n of them, at least one. It returns n.
// Loading and encoding are separate short loops: a processor runs some hundred instructions
// ahead, so the cache misses of several rows overlap.
func (f *frozenTable[K, V]) read(slots []uint32) (n int) {
	r := &f.last
	r.keys, r.encoded, r.ends = r.keys[:0], r.encoded[:0], r.ends[:0]
	for _, slot := range slots {
		r.keys = append(r.keys, f.rows.At(slot).key)
	}
	for _, key := range r.keys {
		r.encoded, _ = f.codec.Append(r.encoded, key) // cannot fail: the key was encoded before it was inserted
		r.ends = append(r.ends, len(r.encoded))
		if len(r.encoded) > gatherBytes {
			break
		}
	}
	return len(r.ends)
}

// encoded returns the encoding of the i-th key of the last read.
func (f *frozenTable[K, V]) encoded(i int) []byte {
	from := 0
	if i > 0 {
		from = f.last.ends[i-1]
	}
	return f.last.encoded[from:f.last.ends[i]]
}

// Compare implements backend.FrozenTable.
func (f *frozenTable[K, V]) Compare(a, b uint32) int {
	if c := f.codec.Compare(f.rows.At(a).key, f.rows.At(b).key); c != 0 {
		return c
	}
	return bytes.Compare(f.namespace(a), f.namespace(b))
}

// namespace returns the namespace of the row in a slot.
func (f *frozenTable[K, V]) namespace(slot uint32) []byte {
	return f.namespaces.names.Get(f.namespaces.slotIDs.Get(slot))
}

// appendNamespace appends the escaped namespace of a row.
func (f *frozenTable[K, V]) appendNamespace(dst []byte, slot uint32) []byte {
	if f.namespaces.slotIDs.Get(slot) == 0 {
		return append(dst, voidNamespace...)
	}
	return codec.AppendEscaped(dst, f.namespace(slot))
}

// voidNamespace is the escaped void namespace.
var voidNamespace = codec.AppendEscaped(nil, nil)

// gathered holds rows that Gather has encoded for the following calls of Rows.
type gathered struct {
	rows   []gatheredRow
	next   int    // index in rows of the row that Rows returns next
	keys   []byte // composite keys without suffix, concatenated
	values []byte // stored values, concatenated, if the format is scalar
	err    error  // the error of encoding the last row's value
}

// gatheredRow is a slot, and where its row ends in gathered.keys and gathered.values.
type gatheredRow struct {
	slot       uint32
	key, value int
}

// gatherBytes is the size in bytes at which Gather stops adding keys, and values. Gathered rows
// are read again soon and should still be in the L1 cache.
const gatherBytes = 8 << 10

// Gather implements backend.FrozenTable.
func (f *frozenTable[K, V]) Gather(slots []uint32, group uint16) int {
	g := &f.gathered
	*g = gathered{rows: g.rows[:0], keys: g.keys[:0], values: g.values[:0]}
	for i := range f.read(slots) {
		g.keys = backend.AppendKey(backend.AppendHeader(g.keys, group, f.id), f.encoded(i), f.keySize)
		g.keys = f.appendNamespace(g.keys, slots[i])
		g.rows = append(g.rows, gatheredRow{slot: slots[i], key: len(g.keys)})
	}
	if f.single == nil {
		return len(g.rows)
	}
	for i := range g.rows {
		g.values, g.err = f.single.Append(append(g.values, storedHeader), f.rows.At(slots[i]).value)
		g.rows[i].value = len(g.values)
		if g.err != nil || len(g.values) > gatherBytes {
			g.rows = g.rows[:i+1]
			break
		}
	}
	return len(g.rows)
}

// Rows implements backend.FrozenTable.
func (f *frozenTable[K, V]) Rows(slot uint32, group uint16, yield func(key, value []byte) error) error {
	return f.RowsFrom(slot, group, nil, yield)
}

// RowsFrom implements backend.FrozenTable.
func (f *frozenTable[K, V]) RowsFrom(slot uint32, group uint16, suffix []byte, yield func(key, value []byte) error) error {
	key, value, err := f.gatheredRow(slot, group)
	if err != nil {
		return err
	}
	if f.single == nil {
		f.row.key = append(f.row.key[:0], key...)
		return f.spread.rows(f.rows.At(slot).value, &f.row, suffix, yield)
	}
	if len(suffix) > 0 {
		return nil
	}
	return yield(key, value)
}

// gatheredRow returns the composite key, without suffix, and the stored value, if the format is
// scalar, of the row in a slot. It takes the next row that Gather has encoded, or calls Gather.
func (f *frozenTable[K, V]) gatheredRow(slot uint32, group uint16) (key, value []byte, err error) {
	g := &f.gathered
	if g.next == len(g.rows) || g.rows[g.next].slot != slot {
		f.Gather([]uint32{slot}, group)
	}
	var from gatheredRow
	if g.next > 0 {
		from = g.rows[g.next-1]
	}
	to := g.rows[g.next]
	g.next++
	if g.err != nil && g.next == len(g.rows) {
		return nil, nil, g.err
	}
	return g.keys[from.key:to.key:to.key], g.values[from.value:to.value:to.value], nil
}

// Find implements backend.FrozenTable.
func (f *frozenTable[K, V]) Find(slots []uint32, rest []byte) (slot uint32, suffix []byte, ok bool, err error) {
	encoded, namespace, suffix, err := backend.SplitPrefix(rest, f.keySize)
	if err != nil {
		return 0, nil, false, err
	}
	key, err := f.codec.Decode(encoded)
	if err != nil {
		return 0, nil, false, corrupt(err)
	}
	at, ok := slices.BinarySearchFunc(slots, key, func(slot uint32, key K) int {
		if c := f.codec.Compare(f.rows.At(slot).key, key); c != 0 {
			return c
		}
		return bytes.Compare(f.namespace(slot), namespace)
	})
	if !ok {
		return 0, nil, false, nil
	}
	return slots[at], suffix, true, nil
}

// Value implements backend.FrozenTable.
func (f *frozenTable[K, V]) Value(slot uint32, suffix, dst []byte) (value []byte, ok bool, err error) {
	v := f.rows.At(slot).value
	if f.single == nil {
		return f.spread.value(v, suffix, dst)
	}
	if len(suffix) > 0 {
		return dst, false, nil
	}
	value, err = f.single.Append(append(dst, storedHeader), v)
	return value, err == nil, err
}
