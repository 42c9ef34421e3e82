package state

import (
	"fmt"
	"sync"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// View is the state of a backend at one moment. Each snapshot.View implements it. The task's
// goroutine takes a view by the View method of the backend, and closes it when it has taken a
// newer one. Any goroutine may query the view until it is closed.
//
// Queries need a view that also implements backend.KeyView. The views of heapstate and lsmstate
// do.
type View interface {
	// Keyspace returns the keyspace of the backend.
	Keyspace() Keyspace
	// States returns the states that were declared at that moment, ordered by ID.
	States() []backend.Info
}

// Query reads a value, list, reducing or aggregating state of a view by key. MapQuery reads map
// states.
//
// A query sees the state at the moment of the view. Later writes of the task do not change its
// results. Key and namespace are arguments of each call.
//
// Thread safety: safe for concurrent use. After the view was closed, reads return ErrClosed.
type Query[K, V any] struct {
	queried[K]
	fallback V
	read     func(view backend.KeyView, s *queryScratch) (V, bool, error)
}

// QueryValue returns a query of a value state. It returns ErrUnknownState if the view does not
// have the state, ErrStateMismatch if the state has another kind or codec, ErrUnsupported if the
// view does not implement backend.KeyView, and ErrInvalid if an argument or the codec is nil.
func QueryValue[K, V any](v View, key codec.Codec[K], d ValueDescriptor[V]) (*Query[K, V], error) {
	q, err := queryOf(v, key, backend.KindValue, d, identity[V])
	if err != nil {
		return nil, err
	}
	q.fallback = d.Default
	return q, nil
}

// QueryReducing returns a query of a reducing state. Errors are those of QueryValue.
func QueryReducing[K, V any](v View, key codec.Codec[K], d ReducingDescriptor[V]) (*Query[K, V], error) {
	return queryOf(v, key, backend.KindReducing, ValueDescriptor[V]{Name: d.Name, Codec: d.Codec}, identity[V])
}

// QueryAggregating returns a query of the results of an aggregating state. The descriptor needs
// no function but Result. Errors are those of QueryValue.
func QueryAggregating[K, In, Acc, Out any](v View, key codec.Codec[K], d AggregatingDescriptor[In, Acc, Out]) (*Query[K, Out], error) {
	if d.Result == nil {
		return nil, fmt.Errorf("query of state %q: the descriptor has no function Result: %w", d.Name, ErrInvalid)
	}
	acc := ValueDescriptor[Acc]{Name: d.Name, Codec: d.Codec}
	return queryOf(v, key, backend.KindAggregating, acc, d.Result)
}

// QueryList returns a query of a list state. Its Get returns all elements, and false for an
// empty list. Errors are those of QueryValue.
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

// identity is the result function of a state that returns its stored value.
func identity[V any](v V) (V, error) { return v, nil }

// queryOf returns a query of a state that stores one value. Result computes the result of Get.
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

// Get returns the value of a key in a namespace; nil is the void namespace. If the view has no
// value for them, Get returns false, and for a value state the declared default. It returns
// ErrKeyGroup if the backend of the view does not own the key's group. The caller owns the result.
func (q *Query[K, V]) Get(key K, namespace []byte) (value V, ok bool, err error) {
	s := queryScratches.Get().(*queryScratch)
	defer s.release()
	if err = q.setRowKey(s, key, namespace); err == nil {
		value, ok, err = q.read(q.view, s)
	}
	if err != nil || !ok {
		return q.fallback, false, wrapState(q.name, err)
	}
	return value, true, nil
}

// queried is the part that Query and MapQuery have in common.
type queried[K any] struct {
	view    backend.KeyView
	name    string
	id      ID
	codec   codec.Codec[K]
	keySize int
}

// queriedOf returns the common part of a query. It checks that the view has the state with this
// kind and these codecs.
func queriedOf[K any](v View, key codec.Codec[K], name string, kind backend.Kind, codecs ...codec.ID) (q queried[K], err error) {
	if v == nil || key == nil {
		return q, fmt.Errorf("query of state %q: view and key codec must not be nil: %w", name, ErrInvalid)
	}
	byKey, ok := v.(backend.KeyView)
	if !ok {
		return q, fmt.Errorf("query of state %q: %T does not implement backend.KeyView: %w", name, v, ErrUnsupported)
	}
	want := backend.Info{Name: name, Kind: kind, Key: key.ID(), Codecs: codecs}
	for _, have := range v.States() {
		if have.Name != name {
			continue
		}
		if !have.Equal(want) {
			return q, fmt.Errorf("query of state %q: declared as %v, the view has %v: %w", name, want, have, ErrStateMismatch)
		}
		return queried[K]{view: byKey, name: name, id: want.ID(), codec: key, keySize: key.FixedSize()}, nil
	}
	return q, fmt.Errorf("query of state %q: the view does not have this state: %w", name, ErrUnknownState)
}

// setRowKey sets s.row to the composite key, without suffix, of a key and a namespace.
func (q *queried[K]) setRowKey(s *queryScratch, key K, namespace []byte) (err error) {
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

// queryScratch is the scratch memory of one read.
type queryScratch struct{ encoded, row, value []byte }

var queryScratches = sync.Pool{New: func() any { return new(queryScratch) }}

// queryScratchBytes is the maximum size of a scratch that is kept for the next read.
const queryScratchBytes = 64 << 10

// release returns the scratch to the pool, unless it has grown too large.
func (s *queryScratch) release() {
	if cap(s.encoded)+cap(s.row)+cap(s.value) <= queryScratchBytes {
		queryScratches.Put(s)
	}
}

// get returns the stored value of the composite key s.row. It is valid until release.
func (s *queryScratch) get(view backend.KeyView) (stored []byte, ok bool, err error) {
	s.value, ok, err = view.Get(s.row, s.value[:0])
	return s.value, ok, err
}
