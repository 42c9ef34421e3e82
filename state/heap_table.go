package state

import (
	"fmt"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// heapTable is the table of a state on the heap: it has all rows of the state.
type heapTable[K, V any] struct {
	table[K, V]
	format format[V]
	loader *Keyed[K] // holds the key of the row loaded last; nil before the first Load
}

// format converts the values of a table to and from the rows of a snapshot. A scalar is one
// row; other formats also implement rowsFormat.
//
// Thread safety: safe for concurrent use. Implementations hold codecs only.
type format[V any] interface {
	// load adds one row of a snapshot to old and returns the result. Old is the zero V at
	// the first row of a value.
	load(old V, clock *cow.Clock, suffix, value []byte) (V, error)
}

// rowsFormat is the format of values that take any number of rows: lists and maps.
type rowsFormat[V any] interface {
	format[V]
	// rows calls yield with each row of the value whose suffix is at or above from. On
	// entry b.key holds the composite key without suffix.
	rows(v V, b *rowBuffer, from []byte, yield func(key, value []byte) error) error
	// value appends to dst the stored value of the row with a suffix. It returns false if
	// v has no such row.
	value(v V, suffix, dst []byte) (value []byte, ok bool, err error)
}

// rowBuffer is scratch memory for rows. It belongs to one goroutine.
type rowBuffer struct{ key, value []byte }

// tableOf declares a heap state and returns a handle of its table. At the first declaration it
// creates the table.
func tableOf[K, V any](k *Keyed[K], b backend.HeapBackend, info backend.Info, f format[V]) (heapHandle[K, V], error) {
	storage, err := bindingOf(k.registry).Declare(info, func(info *backend.Info) (any, error) {
		t := &heapTable[K, V]{format: f}
		t.init(k, info, t.freezeUnit)
		index, err := b.AddTable(*info, t)
		t.index = index
		return t, err
	})
	if err != nil {
		return heapHandle[K, V]{}, err
	}
	t, ok := storage.(*heapTable[K, V])
	if !ok {
		return heapHandle[K, V]{}, errOtherTypes(info.Name)
	}
	return heapHandle[K, V]{keyed: k, table: &t.table}, nil
}

// Load implements backend.HeapTable. It seeks once for consecutive rows of one key and namespace.
func (t *heapTable[K, V]) Load(group uint16, key, value []byte) error {
	if t.loader == nil {
		t.loader = newKeyed(t.registry, t.declaredOn.codec)
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
	namespaceID := t.intern(namespace)
	defer t.namespaces.release(namespaceID)
	slot, ok := t.seek(t.loader, namespaceID)
	var old V
	if ok {
		if t.groupOf(slot) != group {
			return wrapCorrupt(t.info.Name, fmt.Errorf("rows of one key are in key groups %d and %d", t.groupOf(slot), group))
		}
		old = t.rows.At(slot).value
	}
	loaded, err := t.format.load(old, t.declaredOn.clock, suffix, value)
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

// frozenUnit is the table and its index as a snapshot sees them.
type frozenUnit struct {
	table backend.FrozenTable
	index backend.FrozenIndex
}

// Frozen implements backend.HeapTable.
func (t *heapTable[K, V]) Frozen(p *backend.Pin) (backend.FrozenTable, backend.FrozenIndex) {
	f, _ := p.Of(t.unit).(frozenUnit)
	return f.table, f.index
}

// freezeUnit returns frozen copies of the table and its index. The goroutine that reads a
// snapshot may call it. The table cannot change during the call: each change calls unit.Touch first,
// and Touch waits for the lock under which freezeUnit runs.
func (t *heapTable[K, V]) freezeUnit() any { return frozenUnit{t.freeze(), t.index.Freeze()} }

// freeze returns a frozen copy of the table.
func (t *heapTable[K, V]) freeze() backend.FrozenTable {
	single, _ := t.format.(scalarFormat[V])
	spread, _ := t.format.(rowsFormat[V])
	return &frozenTable[K, V]{frozenRows: t.frozenRows(single.codec, spread)}
}
