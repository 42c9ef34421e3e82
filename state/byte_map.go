package state

import (
	"iter"

	"github.com/weirstate/weir/state/codec"
)

// byteMap is a MapState of a ByteBackend: one row per entry. The row's key is the composite key
// of current key and namespace, followed by the encoded user key (the suffix); its value is
// storedHeader and the encoded value. Rows are ordered by key, so iterations and Floor use the
// order of the encoded user keys.
//
// Invariant: Put and PutAll check encodings and sizes before the first write, so an entry that
// cannot be stored leaves the map unchanged.
//
// Methods overwrite the scratch fields key and value. A loop over the map may still call any
// method: the backend's cursor keeps its own copy of its position.
type byteMap[K any, UK comparable, UV any] struct {
	byteHandle[K]
	keys   codec.Codec[UK]
	values codec.Codec[UV]
}

// setEntryKey sets h.key to the composite key of the entry with a user key. A key above the
// limit for composite keys is no error: reading it finds nothing. Put and PutAll call check
// before.
func (h *byteMap[K, UK, UV]) setEntryKey(key UK) (err error) {
	if err := h.setRowKey(); err != nil {
		return err
	}
	h.key, err = h.keys.Append(h.key, key)
	return h.wrap(err)
}

func (h *byteMap[K, UK, UV]) Get(key UK) (value UV, ok bool, err error) {
	if err := h.setEntryKey(key); err != nil {
		return value, false, err
	}
	stored, ok, err := h.backend.Get(h.key)
	if err != nil || !ok {
		return value, false, h.wrap(err)
	}
	if value, err = decodeStored(h.values, stored); err != nil {
		return value, false, wrapCorrupt(h.info.Name, err)
	}
	return value, true, nil
}

func (h *byteMap[K, UK, UV]) Contains(key UK) (bool, error) {
	if err := h.setEntryKey(key); err != nil {
		return false, err
	}
	_, ok, err := h.backend.Get(h.key)
	return ok, h.wrap(err)
}

func (h *byteMap[K, UK, UV]) Floor(key UK) (e Entry[UK, UV], ok bool, err error) {
	if err := h.setRowKey(); err != nil {
		return e, false, err
	}
	prefix := len(h.key)
	if h.key, err = h.keys.Append(h.key, key); err != nil {
		return e, false, h.wrap(err)
	}
	found, stored, ok, err := h.backend.Floor(h.key[:prefix], h.key)
	if err != nil || !ok {
		return e, false, h.wrap(err)
	}
	if e, err = h.entry(found[prefix:], stored); err != nil {
		return Entry[UK, UV]{}, false, err
	}
	return e, true, nil
}

// entry decodes an entry from the suffix of its composite key and its stored value.
func (h *byteMap[K, UK, UV]) entry(suffix, stored []byte) (e Entry[UK, UV], err error) {
	if e.Key, err = h.keys.Decode(suffix); err == nil {
		e.Value, err = decodeStored(h.values, stored)
	}
	if err != nil {
		err = wrapCorrupt(h.info.Name, err)
	}
	return e, err
}

func (h *byteMap[K, UK, UV]) Put(key UK, value UV) error {
	if err := h.check(key, value); err != nil {
		return err
	}
	return h.store(key, value)
}

func (h *byteMap[K, UK, UV]) PutAll(entries map[UK]UV) error {
	if err := putAll(entries, h.check, h.store); err != nil {
		return err
	}
	return h.wrap(h.keyed.requireKey()) // an empty PutAll without a current key fails too
}

// check returns an error if the entry cannot be stored: no current key, no encoding, or too large.
func (h *byteMap[K, UK, UV]) check(key UK, value UV) error {
	return h.wrap(checkEntry(h.keyed, h.namespace, h.keys, h.values, key, value))
}

// store writes an entry that has passed check.
func (h *byteMap[K, UK, UV]) store(key UK, value UV) (err error) {
	if err := h.setEntryKey(key); err != nil {
		return err
	}
	if h.value, err = h.values.Append(append(h.value[:0], storedHeader), value); err != nil {
		return h.wrap(err)
	}
	return h.wrap(h.backend.Set(h.key, h.value))
}

func (h *byteMap[K, UK, UV]) Remove(key UK) error {
	if err := h.setEntryKey(key); err != nil {
		return err
	}
	return h.wrap(h.backend.Delete(h.key))
}

func (h *byteMap[K, UK, UV]) Len() (n int, err error) {
	err = h.walk(allRows, func(_, _ []byte) (bool, error) { n++; return true, nil })
	return n, err
}

func (h *byteMap[K, UK, UV]) IsEmpty() (empty bool, err error) {
	empty = true
	err = h.walk(allRows, func(_, _ []byte) (bool, error) { empty = false; return false, nil })
	return empty && err == nil, err
}

func (h *byteMap[K, UK, UV]) Keys() iter.Seq2[UK, error]   { return keysOf(h.All()) }
func (h *byteMap[K, UK, UV]) Values() iter.Seq2[UV, error] { return valuesOf(h.All()) }

func (h *byteMap[K, UK, UV]) All() iter.Seq2[Entry[UK, UV], error] {
	return h.entries(allRows)
}

func (h *byteMap[K, UK, UV]) From(key UK) iter.Seq2[Entry[UK, UV], error] {
	return h.entries(func(prefix []byte) (from []byte, err error) {
		h.key, err = h.keys.Append(prefix, key)
		return h.key, err
	})
}

// entries iterates over the entries at or above a first key, in the order of keys. See walk for
// from. An error ends the iteration as its last element.
func (h *byteMap[K, UK, UV]) entries(from func(prefix []byte) ([]byte, error)) iter.Seq2[Entry[UK, UV], error] {
	return func(yield func(Entry[UK, UV], error) bool) {
		err := h.walk(from, func(suffix, stored []byte) (bool, error) {
			e, err := h.entry(suffix, stored)
			return err == nil && yield(e, nil), err
		})
		if err != nil {
			yield(Entry[UK, UV]{}, err)
		}
	}
}

// allRows is the from function for a walk that begins at the first row.
func allRows(prefix []byte) ([]byte, error) { return prefix, nil }

// walk calls visit with the rows of the map, in the order of keys, until visit returns false.
//
// The function from receives the prefix of the map's rows, without suffix, and returns the key at
// which the walk begins: the prefix, with a suffix or without. The cursor sees rows that visit
// writes above the current row. Suffix and stored are valid only until visit calls a method of
// the backend.
func (h *byteMap[K, UK, UV]) walk(from func(prefix []byte) ([]byte, error), visit func(suffix, stored []byte) (bool, error)) error {
	if err := h.setRowKey(); err != nil {
		return err
	}
	prefix := len(h.key)
	first, err := from(h.key)
	if err != nil {
		return h.wrap(err)
	}
	cursor := h.backend.ScanPrefix(first[:prefix], first)
	defer cursor.Close()
	for {
		key, value, ok, err := cursor.Next()
		if err != nil || !ok {
			return h.wrap(err)
		}
		if more, err := visit(key[prefix:], value); err != nil || !more {
			return err
		}
	}
}

func (h *byteMap[K, UK, UV]) Clear() error {
	if err := h.setRowKey(); err != nil {
		return err
	}
	return h.wrap(h.backend.DeletePrefix(h.key))
}
