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
	total bool // every user key has an encoding
	// What makes keys and values what Decode would return; nil if they are.
	normalKey   func(UK) UK
	normalValue func(UV) UV
}

// read returns the map under the current key, nil if there is none.
func (h *heapMap[K, UK, UV]) read() (*sortedMap[UK, UV], error) {
	m, err := h.find()
	if m == nil {
		return nil, err
	}
	return *m, nil
}

// readFor is read for an operation on a user key, which must have an encoding.
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
	return h.wrap(h.keyed.ready())
}

// check returns the error that storing an entry would meet.
func (h *heapMap[K, UK, UV]) check(key UK, value UV) error {
	return h.wrap(checkEntry(h.keyed, h.table.spaces.name(h.space), h.key, h.value, key, value))
}

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

// write returns the map under the current key for writing.
func (h *heapMap[K, UK, UV]) write() (*sortedMap[UK, UV], error) {
	t := h.table
	if m, err := h.read(); err != nil {
		return nil, err
	} else if m != nil && m.version > t.home.clock.Shared() {
		t.mods++
		return m, nil
	}
	m, err := h.put()
	if err != nil {
		return nil, err
	}
	*m = (*m).mutable(t.home.clock)
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

// walk is the live cursor. While nothing in the table changes, it runs through
// the map; after a change it finds key and place again.
func (h *heapMap[K, UK, UV]) walk(m *sortedMap[UK, UV], from start[UK], yield func(Entry[UK, UV]) bool) (err error) {
	if m == nil {
		return nil
	}
	t := h.table
	key, group, space := h.keyed.key, h.keyed.group, h.space
	t.spaces.hold(space)
	defer t.spaces.release(space)
	for {
		var last UK
		mods, stopped, moved := t.mods, false, false
		m.ascend(h.key, from, func(e Entry[UK, UV]) bool {
			last = e.Key
			stopped = !yield(e)
			moved = t.mods != mods || t.registry.Closed()
			return !stopped && !moved
		})
		if stopped || !moved {
			return nil
		}
		if m, err = h.again(key, group, space); err != nil || m == nil {
			return err
		}
		from = start[UK]{key: &last, above: true}
	}
}

// again finds the map of a cursor, whatever the current key is by now.
func (h *heapMap[K, UK, UV]) again(key K, group uint16, space uint32) (*sortedMap[UK, UV], error) {
	there := *h
	there.keyed, there.space = newKeyed(h.keyed.registry, h.keyed.codec), space
	if err := there.keyed.SetKeyAndGroup(key, group); err != nil {
		return nil, h.wrap(err)
	}
	return there.read()
}

// entries is the format of maps: a row for each entry, whose suffix is the
// encoded user key.
type entries[UK, UV any] struct {
	keys   codec.Codec[UK]
	values codec.Codec[UV]
}

func (f entries[UK, UV]) rows(m *sortedMap[UK, UV], b *rowBuffer, from []byte, yield func(key, value []byte) error) (err error) {
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

// start returns where a walk begins that passes over what is below a suffix: its user key,
// or the first entry if it is not the encoding of one.
func (f entries[UK, UV]) start(suffix []byte) (s start[UK]) {
	if len(suffix) == 0 {
		return s
	}
	if key, err := f.keys.Decode(suffix); err == nil {
		s.key = &key
	}
	return s
}

func (f entries[UK, UV]) value(m *sortedMap[UK, UV], suffix, dst []byte) (value []byte, ok bool, err error) {
	key, err := f.keys.Decode(suffix)
	if err != nil {
		return dst, false, nil // nobody can have put it there
	}
	v, ok := m.get(f.keys, key)
	if !ok {
		return dst, false, nil
	}
	value, err = f.values.Append(append(dst, storedHeader), v)
	return value, err == nil, err
}

func (f entries[UK, UV]) load(m *sortedMap[UK, UV], clock *cow.Clock, suffix, value []byte) (*sortedMap[UK, UV], error) {
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
