package state

import (
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// MapState holds a map for each key and namespace, ordered by the encodings of
// its user keys. An empty map and no map are the same. Operations work on the
// current key of the Keyed and on the handle's own namespace.
//
// Iteration is a live cursor, bound to the key and namespace at its first step:
// each step yields the smallest user key greater than the last one yielded, as the
// map stands at that step, so the loop may write to the map. An error is
// yielded last.
type MapState[UK comparable, UV any] interface {
	// SetNamespace is as for ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the value under a user key, ok false if there is none. It
	// must not be modified.
	Get(UK) (value UV, ok bool, err error)
	// Contains says whether there is a value under a user key.
	Contains(UK) (bool, error)
	// Floor returns the entry with the greatest user key at or below a user key, in
	// the order of their encodings, ok false if there is none. It takes about as long
	// as Get, however many entries the map has. The value must not be modified.
	Floor(UK) (e Entry[UK, UV], ok bool, err error)
	// Put stores a value, which must not be modified afterwards.
	Put(UK, UV) error
	// PutAll stores all entries or, on an error of an entry, none. A nil map
	// does nothing. The values must not be modified afterwards; the map may be.
	PutAll(map[UK]UV) error
	// Remove removes an entry; removing nothing is no error. Removing the last
	// one removes the state.
	Remove(UK) error
	// Len is the number of entries. A disk backend counts them by a scan.
	Len() (int, error)
	// IsEmpty says whether there are no entries.
	IsEmpty() (bool, error)
	// From yields the entries at or above a user key, in the order of their encodings. It
	// finds the first one about as fast as Get finds an entry.
	From(UK) iter.Seq2[Entry[UK, UV], error]
	// All yields the entries, Keys and Values one half of each.
	All() iter.Seq2[Entry[UK, UV], error]
	Keys() iter.Seq2[UK, error]
	Values() iter.Seq2[UV, error]
	// Clear removes all entries.
	Clear() error
}

// Entry is one entry of a MapState.
type Entry[UK, UV any] struct {
	Key   UK
	Value UV
}

// MapDescriptor declares a MapState.
type MapDescriptor[UK comparable, UV any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Key encodes the user keys and orders the iteration.
	Key codec.Codec[UK]
	// Value encodes the values.
	Value codec.Codec[UV]
}

// MapOf declares a map state, or returns a further handle of it. It returns
// ErrStateMismatch if the name is declared with another kind or codec.
func MapOf[K any, UK comparable, UV any](k *Keyed[K], d MapDescriptor[UK, UV]) (MapState[UK, UV], error) {
	if d.Key == nil || d.Value == nil {
		return nil, errNoCodec(d.Name)
	}
	info := backend.Info{Name: d.Name, Kind: backend.KindMap, Key: k.codec.ID(), Codecs: []codec.ID{d.Key.ID(), d.Value.ID()}}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, entries[UK, UV]{d.Key, d.Value})
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
		return nil, errNoSeam(d.Name, k.backend)
	}
}

// putAll stores all entries or, if one of them is refused, none.
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

// checkEntry returns the error that storing an entry under the current key
// would meet.
func checkEntry[K, UK, UV any](k *Keyed[K], namespace []byte, keys codec.Codec[UK], values codec.Codec[UV], key UK, value UV) error {
	if err := checkValue(k, values, value); err != nil {
		return err
	}
	size, err := keys.Size(key)
	if err != nil {
		return err
	}
	return k.fits(namespace, size)
}

// keysOf and valuesOf halve an iteration over entries.
func keysOf[UK, UV any](all iter.Seq2[Entry[UK, UV], error]) iter.Seq2[UK, error] {
	return func(yield func(UK, error) bool) {
		for e, err := range all {
			if !yield(e.Key, err) {
				return
			}
		}
	}
}

func valuesOf[UK, UV any](all iter.Seq2[Entry[UK, UV], error]) iter.Seq2[UV, error] {
	return func(yield func(UV, error) bool) {
		for e, err := range all {
			if !yield(e.Value, err) {
				return
			}
		}
	}
}
