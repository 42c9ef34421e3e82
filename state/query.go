package state

import (
	"fmt"
	"sync"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// View is a backend as it was at one moment: a snapshot.View. The task's goroutine takes it
// from the backend; then any goroutine may query it. Close it when a newer one is there.
//
// A view must also be a backend.KeyView to be queried, as those of heapstate and lsmstate
// are.
type View interface {
	// Keyspace returns that of the backend.
	Keyspace() Keyspace
	// States returns the states declared at the time, ordered by id.
	States() []backend.Info
}

// Query reads one state of a view by key: a value, a list, or the result of a reducing or
// aggregating state. MapQuery does it for maps.
//
// A query sees the state at the moment of the view, whatever the task writes meanwhile. It
// has no current key and no current namespace: both are arguments.
//
// Thread safety: any number of goroutines, until the view is closed; from then on every
// read is ErrClosed.
type Query[K, V any] struct {
	queried[K]
	fallback V
	read     func(view backend.KeyView, s *queryScratch) (V, bool, error)
}

// QueryValue returns a query of a value state. It is ErrUnknownState if the view does not have
// the state, ErrStateMismatch if the state has another kind or codec, and ErrUnsupported if
// the view cannot be read by key.
func QueryValue[K, V any](v View, key codec.Codec[K], d ValueDescriptor[V]) (*Query[K, V], error) {
	q, err := queryOf(v, key, backend.KindValue, d, same[V])
	if err != nil {
		return nil, err
	}
	q.fallback = d.Default
	return q, nil
}

// QueryReducing returns a query of a reducing state. Errors are those of QueryValue.
func QueryReducing[K, V any](v View, key codec.Codec[K], d ReducingDescriptor[V]) (*Query[K, V], error) {
	return queryOf(v, key, backend.KindReducing, ValueDescriptor[V]{Name: d.Name, Codec: d.Codec}, same[V])
}

// QueryAggregating returns a query of the results of an aggregating state. Result is the only
// function of the descriptor that it needs. Errors are those of QueryValue.
func QueryAggregating[K, In, Acc, Out any](v View, key codec.Codec[K], d AggregatingDescriptor[In, Acc, Out]) (*Query[K, Out], error) {
	if d.Result == nil {
		return nil, fmt.Errorf("query of state %q: no function Result: %w", d.Name, ErrInvalid)
	}
	acc := ValueDescriptor[Acc]{Name: d.Name, Codec: d.Codec}
	return queryOf(v, key, backend.KindAggregating, acc, d.Result)
}

// QueryList returns a query of a list state: Get returns all elements, and false for no list.
// Errors are those of QueryValue.
func QueryList[K, E any](v View, key codec.Codec[K], d ListDescriptor[E]) (*Query[K, []E], error) {
	if d.Codec == nil {
		return nil, errNoCodec(d.Name)
	}
	q, err := queriedOf(v, key, d.Name, backend.KindList, d.Codec.ID())
	if err != nil {
		return nil, err
	}
	return &Query[K, []E]{queried: q, read: func(view backend.KeyView, s *queryScratch) (list []E, ok bool, err error) {
		err = view.ScanPrefix(s.row, s.row, func(_, chunk []byte) (err error) {
			if list, err = appendElements(list, d.Codec, chunk); err != nil {
				return corrupt(err)
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
		return list[:len(list):len(list)], len(list) > 0, nil
	}}, nil
}

// same is the result of a state that stores what it returns.
func same[V any](v V) (V, error) { return v, nil }

// queryOf serves every kind that stores one value.
func queryOf[K, Stored, V any](v View, key codec.Codec[K], kind backend.Kind, d ValueDescriptor[Stored],
	result func(Stored) (V, error)) (*Query[K, V], error) {
	if d.Codec == nil {
		return nil, errNoCodec(d.Name)
	}
	q, err := queriedOf(v, key, d.Name, kind, d.Codec.ID())
	if err != nil {
		return nil, err
	}
	return &Query[K, V]{queried: q, read: func(view backend.KeyView, s *queryScratch) (v V, ok bool, err error) {
		stored, ok, err := s.get(view)
		if err != nil || !ok {
			return v, false, err
		}
		decoded, err := decodeStored(d.Codec, stored)
		if err != nil {
			return v, false, corrupt(err)
		}
		if v, err = result(decoded); err != nil {
			return v, false, err
		}
		return v, true, nil
	}}, nil
}

// Get returns what the state has under a key and a namespace (nil: the void namespace). If
// there is nothing, it returns false, with the declared default of a value state. It is
// ErrKeyGroup if the backend of the view does not own the key's group. The result belongs
// to the caller.
func (q *Query[K, V]) Get(key K, namespace []byte) (value V, ok bool, err error) {
	s := queryScratches.Get().(*queryScratch)
	defer s.release()
	if err = q.row(s, key, namespace); err == nil {
		value, ok, err = q.read(q.view, s)
	}
	if err != nil || !ok {
		return q.fallback, false, wrapState(q.name, err)
	}
	return value, true, nil
}

// queried is the part of a query that does not depend on the values.
type queried[K any] struct {
	view    backend.KeyView
	name    string
	id      ID
	codec   codec.Codec[K]
	keySize int
}

// queriedOf checks that a view has a state as it is declared.
func queriedOf[K any](v View, key codec.Codec[K], name string, kind backend.Kind, codecs ...codec.ID) (q queried[K], err error) {
	if v == nil || key == nil {
		return q, fmt.Errorf("query of state %q: view and key codec are required: %w", name, ErrInvalid)
	}
	byKey, ok := v.(backend.KeyView)
	if !ok {
		return q, fmt.Errorf("query of state %q: %T is no backend.KeyView: %w", name, v, ErrUnsupported)
	}
	want := backend.Info{Name: name, Kind: kind, Key: key.ID(), Codecs: codecs}
	for _, have := range v.States() {
		if have.Name != name {
			continue
		}
		if !have.Equal(want) {
			return q, fmt.Errorf("query of state %q: %v, the view has %v: %w", name, want, have, ErrStateMismatch)
		}
		return queried[K]{view: byKey, name: name, id: want.ID(), codec: key, keySize: key.FixedSize()}, nil
	}
	return q, fmt.Errorf("query of state %q: not in the view: %w", name, ErrUnknownState)
}

// row makes s.row the composite key, without suffix, of a key and a namespace.
func (q *queried[K]) row(s *queryScratch, key K, namespace []byte) (err error) {
	if s.encoded, err = q.codec.Append(s.encoded[:0], key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if q.keySize >= 0 && len(s.encoded) != q.keySize {
		return errKeySize(len(s.encoded), q.keySize)
	}
	group := EncodedKeyGroup(s.encoded, q.view.Keyspace().MaxParallelism)
	s.row = backend.AppendKey(backend.AppendHeader(s.row[:0], group, q.id), s.encoded, q.keySize)
	s.row = codec.AppendEscaped(s.row, namespace)
	return nil
}

// queryScratch is memory of one read of a query.
type queryScratch struct{ encoded, row, value []byte }

var queryScratches = sync.Pool{New: func() any { return new(queryScratch) }}

// queryScratchBytes bounds the memory that a scratch keeps for the next read: enough for
// common keys and values.
const queryScratchBytes = 64 << 10

func (s *queryScratch) release() {
	if cap(s.encoded)+cap(s.row)+cap(s.value) <= queryScratchBytes {
		queryScratches.Put(s)
	}
}

// get returns the stored value under s.row.
func (s *queryScratch) get(view backend.KeyView) (stored []byte, ok bool, err error) {
	s.value, ok, err = view.Get(s.row, s.value[:0])
	return s.value, ok, err
}
