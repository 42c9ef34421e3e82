package state

import (
	"bytes"
	"iter"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// heapMap is a MapState on the heap.
type heapMap[K any, UK comparable, UV any] struct {
	heapHandle[K, *sortedMap[UK, UV]]
	key   codec.Codec[UK]
	value codec.Codec[UV]
	total bool // codec.Total(key): every user key has an encoding
	// The codec.Normalizer of keys and of values; each may be nil.
	normalKey   func(UK) UK
	normalValue func(UV) UV
}

// read returns the map of the current key, or nil if the key has no map.
func (h *heapMap[K, UK, UV]) read() (*sortedMap[UK, UV], error) {
	m, err := h.find()
	if m == nil {
		return nil, err
	}
	return *m, nil
}

// readFor is read for an operation on a user key. It returns the codec's error if the user key
// has no encoding.
func (h *heapMap[K, UK, UV]) readFor(key UK) (*sortedMap[UK, UV], error) {
	m, err := h.read()
	if err == nil && !h.total {
		_, err = h.key.Size(key)
		err = h.wrap(err)
	}
	return m, err
}

func (h *heapMap[K, UK, UV]) Get(key UK) (value UV, ok bool, err error) {
	m, err := h.readFor(key)
	if err != nil {
		return value, false, err
	}
	value, ok = m.get(h.key, key)
	return value, ok, nil
}

func (h *heapMap[K, UK, UV]) Contains(key UK) (bool, error) {
	_, ok, err := h.Get(key)
	return ok, err
}

func (h *heapMap[K, UK, UV]) Floor(key UK) (e Entry[UK, UV], ok bool, err error) {
	m, err := h.readFor(key)
	if err != nil {
		return e, false, err
	}
	e, ok = m.floor(h.key, key)
	return e, ok, nil
}

func (h *heapMap[K, UK, UV]) Len() (int, error) {
	m, err := h.read()
	return m.len(), err
}

func (h *heapMap[K, UK, UV]) IsEmpty() (bool, error) {
	m, err := h.read()
	return m.len() == 0, err
}

func (h *heapMap[K, UK, UV]) Put(key UK, value UV) error {
	if err := h.check(key, value); err != nil {
		return err
	}
	return h.store(key, value)
}

func (h *heapMap[K, UK, UV]) PutAll(entries map[UK]UV) error {
	if err := putAll(entries, h.check, h.store); err != nil {
		return err
	}
	return h.wrap(h.keyed.requireKey())
}

// check returns an error if the entry cannot be stored.
func (h *heapMap[K, UK, UV]) check(key UK, value UV) error {
	return h.wrap(checkEntry(h.keyed, h.table.namespaces.name(h.namespaceID), h.key, h.value, key, value))
}

// store puts a checked entry into the map.
func (h *heapMap[K, UK, UV]) store(key UK, value UV) error {
	m, err := h.write()
	if err != nil {
		return err
	}
	if h.normalKey != nil {
		key = h.normalKey(key)
	}
	if h.normalValue != nil {
		value = h.normalValue(value)
	}
	m.put(h.key, key, value)
	return nil
}

// write returns the map of the current key for writing. It clones a map that a snapshot shares.
func (h *heapMap[K, UK, UV]) write() (*sortedMap[UK, UV], error) {
	t := h.table
	if m, err := h.read(); err != nil {
		return nil, err
	} else if m != nil && m.version > t.declaredOn.clock.Shared() {
		t.changes++
		return m, nil
	}
	m, err := h.put()
	if err != nil {
		return nil, err
	}
	*m = (*m).mutable(t.declaredOn.clock)
	return *m, nil
}

func (h *heapMap[K, UK, UV]) Remove(key UK) error {
	m, err := h.readFor(key)
	if err != nil {
		return err
	}
	if _, ok := m.get(h.key, key); !ok {
		return nil
	}
	if m.len() == 1 {
		return h.Clear()
	}
	if m, err = h.write(); err != nil {
		return err
	}
	m.remove(h.key, key)
	return nil
}

func (h *heapMap[K, UK, UV]) Keys() iter.Seq2[UK, error]   { return keysOf(h.All()) }
func (h *heapMap[K, UK, UV]) Values() iter.Seq2[UV, error] { return valuesOf(h.All()) }

func (h *heapMap[K, UK, UV]) All() iter.Seq2[Entry[UK, UV], error] {
	return func(yield func(Entry[UK, UV], error) bool) {
		m, err := h.read()
		if err == nil {
			err = h.walk(m, start[UK]{}, func(e Entry[UK, UV]) bool { return yield(e, nil) })
		}
		if err != nil {
			yield(Entry[UK, UV]{}, err)
		}
	}
}

func (h *heapMap[K, UK, UV]) From(key UK) iter.Seq2[Entry[UK, UV], error] {
	return func(yield func(Entry[UK, UV], error) bool) {
		m, err := h.readFor(key)
		if err == nil {
			err = h.walk(m, start[UK]{key: &key}, func(e Entry[UK, UV]) bool { return yield(e, nil) })
		}
		if err != nil {
			yield(Entry[UK, UV]{}, err)
		}
	}
}

// walk is the live cursor of iterations. After the loop has changed the table, the cursor finds
// the map again and continues above the user key that it yielded last.
func (h *heapMap[K, UK, UV]) walk(m *sortedMap[UK, UV], from start[UK], yield func(Entry[UK, UV]) bool) (err error) {
	if m == nil {
		return nil
	}
	t := h.table
	key, group, namespaceID := h.keyed.key, h.keyed.group, h.namespaceID
	t.namespaces.retain(namespaceID)
	defer t.namespaces.release(namespaceID)
	for {
		var last UK
		changes, stopped, moved := t.changes, false, false
		m.ascend(h.key, from, func(e Entry[UK, UV]) bool {
			last = e.Key
			stopped = !yield(e)
			moved = t.changes != changes || t.registry.Closed()
			return !stopped && !moved
		})
		if stopped || !moved {
			return nil
		}
		if m, err = h.reread(key, group, namespaceID); err != nil || m == nil {
			return err
		}
		from = start[UK]{key: &last, above: true}
	}
}

// reread returns the map of a cursor's key and namespace. The current key may be another one.
func (h *heapMap[K, UK, UV]) reread(key K, group uint16, namespaceID uint32) (*sortedMap[UK, UV], error) {
	there := *h
	there.keyed, there.namespaceID = newKeyed(h.keyed.registry, h.keyed.codec), namespaceID
	if err := there.keyed.SetKeyAndGroup(key, group); err != nil {
		return nil, h.wrap(err)
	}
	return there.read()
}

// mapFormat is the format of maps. Each row is an entry; its suffix is the encoded user key.
type mapFormat[UK, UV any] struct {
	keys   codec.Codec[UK]
	values codec.Codec[UV]
}

func (f mapFormat[UK, UV]) rows(m *sortedMap[UK, UV], b *rowBuffer, from []byte, yield func(key, value []byte) error) (err error) {
	prefix := len(b.key)
	m.ascend(f.keys, f.start(from), func(e Entry[UK, UV]) bool {
		if b.key, err = f.keys.Append(b.key[:prefix], e.Key); err != nil {
			return false
		}
		if bytes.Compare(b.key[prefix:], from) < 0 {
			return true
		}
		if b.value, err = f.values.Append(append(b.value[:0], storedHeader), e.Value); err != nil {
			return false
		}
		err = yield(b.key, b.value)
		return err == nil
	})
	return err
}

// start returns the start of a walk over the entries at or above a suffix: the user key that
// the suffix encodes, or the first entry if the suffix does not decode.
func (f mapFormat[UK, UV]) start(suffix []byte) (s start[UK]) {
	if len(suffix) == 0 {
		return s
	}
	if key, err := f.keys.Decode(suffix); err == nil {
		s.key = &key
	}
	return s
}

func (f mapFormat[UK, UV]) value(m *sortedMap[UK, UV], suffix, dst []byte) (value []byte, ok bool, err error) {
	key, err := f.keys.Decode(suffix)
	if err != nil {
		return dst, false, nil // no entry has such a key
	}
	v, ok := m.get(f.keys, key)
	if !ok {
		return dst, false, nil
	}
	value, err = f.values.Append(append(dst, storedHeader), v)
	return value, err == nil, err
}

func (f mapFormat[UK, UV]) load(m *sortedMap[UK, UV], clock *cow.Clock, suffix, value []byte) (*sortedMap[UK, UV], error) {
	key, err := f.keys.Decode(suffix)
	if err != nil {
		return nil, err
	}
	v, err := decodeStored(f.values, value)
	if err != nil {
		return nil, err
	}
	m = m.mutable(clock)
	m.put(f.keys, key, v)
	return m, nil
}
