package state

import (
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// MapState holds a map for each key and namespace, ordered by the encodings of its user keys.
// An empty map and no map are the same. Operations work on the current key of the Keyed and on
// the namespace of the handle. Limits.MaxValueSize limits each value, not the map.
//
// An iteration keeps the key and the namespace of its first step. The loop may write to the map,
// and sees its own writes: each step yields the smallest user key that the map has above the one
// yielded before. An error is yielded last.
//
// Thread safety: the task's goroutine only.
type MapState[UK comparable, UV any] interface {
	// SetNamespace selects the namespace of later operations: see ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the value of a user key. It returns false if the map does not have the
	// user key. The caller must not modify the value.
	Get(UK) (value UV, ok bool, err error)
	// Contains reports whether the map has a user key.
	Contains(UK) (bool, error)
	// Floor returns the entry with the greatest user key at or below the given one, in the
	// order of encodings. It returns false if there is no such entry. It costs as much as
	// Get. The caller must not modify the value.
	Floor(UK) (e Entry[UK, UV], ok bool, err error)
	// Put stores a value under a user key. The caller must not modify the value afterwards.
	// Errors are those of ValueState.Set; the old value then stays.
	Put(UK, UV) error
	// PutAll stores entries. If one of them has no encoding or is too large, it stores none.
	// The caller must not modify the values afterwards, but may modify the Go map.
	PutAll(map[UK]UV) error
	// Remove removes the entry of a user key. Removing a missing entry is no error.
	Remove(UK) error
	// Len returns the number of entries. A disk backend scans the map to count them.
	Len() (int, error)
	// IsEmpty reports whether the map has no entries.
	IsEmpty() (bool, error)
	// From iterates over the entries at or above a user key, in the order of encodings.
	// Finding the first one costs as much as Get.
	From(UK) iter.Seq2[Entry[UK, UV], error]
	// All iterates over all entries.
	All() iter.Seq2[Entry[UK, UV], error]
	// Keys iterates over the user keys of all entries.
	Keys() iter.Seq2[UK, error]
	// Values iterates over the values of all entries, in the order of their user keys.
	Values() iter.Seq2[UV, error]
	// Clear removes all entries. Clearing an empty map is no error.
	Clear() error
}

// Entry is one entry of a MapState.
type Entry[UK, UV any] struct {
	Key   UK // the user key
	Value UV // its value
}

// MapDescriptor declares a MapState.
type MapDescriptor[UK comparable, UV any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Key encodes the user keys. The encodings define the order of iterations.
	Key codec.Codec[UK]
	// Value encodes the values.
	Value codec.Codec[UV]
}

// MapOf declares a map state, or returns a further handle of it. Errors are those of ValueOf.
func MapOf[K any, UK comparable, UV any](k *Keyed[K], d MapDescriptor[UK, UV]) (MapState[UK, UV], error) {
	if err := k.checkDeclaration(d.Name, d.Key != nil && d.Value != nil); err != nil {
		return nil, err
	}
	info := backend.Info{Name: d.Name, Kind: backend.KindMap, Key: k.codec.ID(), Codecs: []codec.ID{d.Key.ID(), d.Value.ID()}}
	if b, ok := tierOf(k.backend, codec.RoundTrips(d.Key), codec.RoundTrips(d.Value)); ok {
		return tierMapOf(k, b, info, d)
	}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, mapFormat[UK, UV]{d.Key, d.Value})
		if err != nil {
			return nil, err
		}
		return &heapMap[K, UK, UV]{
			heapHandle: h, key: d.Key, value: d.Value, total: codec.Total(d.Key),
			normalKey: codec.Normalizer(d.Key), normalValue: codec.Normalizer(d.Value),
		}, nil
	case backend.ByteBackend:
		h, _, err := byteHandleOf[K, Entry[UK, UV]](k, b, info)
		if err != nil {
			return nil, err
		}
		return &byteMap[K, UK, UV]{byteHandle: h, keys: d.Key, values: d.Value}, nil
	default:
		return nil, errNoBackendInterface(d.Name, k.backend)
	}
}

// putAll checks all entries and then stores them. It stores none if a check fails.
func putAll[UK comparable, UV any](entries map[UK]UV, check, store func(UK, UV) error) error {
	for key, value := range entries {
		if err := check(key, value); err != nil {
			return err
		}
	}
	for key, value := range entries {
		if err := store(key, value); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry returns an error if the entry cannot be stored under the current key.
func checkEntry[K, UK, UV any](k *Keyed[K], namespace []byte, keys codec.Codec[UK], values codec.Codec[UV], key UK, value UV) error {
	if err := checkValue(k, values, value); err != nil {
		return err
	}
	size, err := keys.Size(key)
	if err != nil {
		return err
	}
	return k.checkFits(namespace, size)
}

// keysOf returns an iteration over the user keys of entries.
func keysOf[UK, UV any](all iter.Seq2[Entry[UK, UV], error]) iter.Seq2[UK, error] {
	return func(yield func(UK, error) bool) {
		for e, err := range all {
			if !yield(e.Key, err) {
				return
			}
		}
	}
}

// valuesOf returns an iteration over the values of entries.
func valuesOf[UK, UV any](all iter.Seq2[Entry[UK, UV], error]) iter.Seq2[UV, error] {
	return func(yield func(UV, error) bool) {
		for e, err := range all {
			if !yield(e.Value, err) {
				return
			}
		}
	}
}
