package state

import (
	"errors"
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// MapQuery reads a map state of a view by key: see Query.
//
// Thread safety: safe for concurrent use. After the view was closed, reads return ErrClosed.
type MapQuery[K any, UK comparable, UV any] struct {
	queried[K]
	keys   codec.Codec[UK]
	values codec.Codec[UV]
}

// QueryMap returns a query of a map state. Errors are those of QueryValue.
func QueryMap[K any, UK comparable, UV any](v View, key codec.Codec[K], d MapDescriptor[UK, UV]) (*MapQuery[K, UK, UV], error) {
	if d.Key == nil || d.Value == nil {
		return nil, errNoCodec(d.Name)
	}
	q, err := queriedOf(v, key, d.Name, backend.KindMap, d.Key.ID(), d.Value.ID())
	if err != nil {
		return nil, err
	}
	return &MapQuery[K, UK, UV]{queried: q, keys: d.Key, values: d.Value}, nil
}

// Get returns the value of a user key. It returns false if the map does not have it. See
// Query.Get.
func (q *MapQuery[K, UK, UV]) Get(key K, namespace []byte, userKey UK) (value UV, ok bool, err error) {
	value, ok, err = q.get(key, namespace, userKey)
	return value, ok, wrapState(q.name, err)
}

func (q *MapQuery[K, UK, UV]) get(key K, namespace []byte, userKey UK) (value UV, ok bool, err error) {
	s := queryScratches.Get().(*queryScratch)
	defer s.release()
	if err := q.setRowKey(s, key, namespace); err != nil {
		return value, false, err
	}
	if s.row, err = q.keys.Append(s.row, userKey); err != nil {
		return value, false, err
	}
	stored, ok, err := s.get(q.view)
	if err != nil || !ok {
		return value, false, err
	}
	if value, err = decodeStored(q.values, stored); err != nil {
		return value, false, corrupt(err)
	}
	return value, true, nil
}

// All iterates over the entries of a map, ordered by the encodings of their user keys. An error
// is yielded last. A loop that has begun before the view was closed may continue.
func (q *MapQuery[K, UK, UV]) All(key K, namespace []byte) iter.Seq2[Entry[UK, UV], error] {
	return q.entries(key, namespace, allRows)
}

// From iterates over the entries at or above a user key. Finding the first one costs as much as
// Get.
func (q *MapQuery[K, UK, UV]) From(key K, namespace []byte, userKey UK) iter.Seq2[Entry[UK, UV], error] {
	return q.entries(key, namespace, func(prefix []byte) ([]byte, error) { return q.keys.Append(prefix, userKey) })
}

// entries iterates over the entries. From appends the suffix of the first entry to the prefix
// of the map's rows.
func (q *MapQuery[K, UK, UV]) entries(key K, namespace []byte, from func(prefix []byte) ([]byte, error)) iter.Seq2[Entry[UK, UV], error] {
	return func(yield func(Entry[UK, UV], error) bool) {
		err := q.walk(key, namespace, from, func(e Entry[UK, UV]) bool { return yield(e, nil) })
		if err != nil {
			yield(Entry[UK, UV]{}, wrapState(q.name, err))
		}
	}
}

// walk calls yield with the entries until yield returns false.
func (q *MapQuery[K, UK, UV]) walk(key K, namespace []byte, from func(prefix []byte) ([]byte, error), yield func(Entry[UK, UV]) bool) error {
	s := queryScratches.Get().(*queryScratch)
	defer s.release()
	if err := q.setRowKey(s, key, namespace); err != nil {
		return err
	}
	prefix := len(s.row)
	first, err := from(s.row)
	if err != nil {
		return err
	}
	s.row = first
	err = q.view.ScanPrefix(first[:prefix], first, func(row, stored []byte) (err error) {
		var e Entry[UK, UV]
		if e.Key, err = q.keys.Decode(row[prefix:]); err == nil {
			e.Value, err = decodeStored(q.values, stored)
		}
		if err != nil {
			return corrupt(err)
		}
		if !yield(e) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}
