package state

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ValueState holds one value for each key and namespace. Operations work on the current key of
// the Keyed and on the namespace of the handle.
//
// Thread safety: the task's goroutine only.
type ValueState[V any] interface {
	// SetNamespace selects the namespace of later operations of this handle. A nil or empty
	// slice is the void namespace, in which each handle starts. SetNamespace copies the
	// bytes.
	SetNamespace(namespace []byte) error
	// Get returns the value. Without a value it returns the declared default and false.
	// The caller must not modify the value. Parts of a value that its codec does not encode
	// are undefined: a heap backend may return them, a disk backend does not.
	Get() (value V, ok bool, err error)
	// Set stores a value. The caller must not modify it afterwards. Set returns
	// ErrValueTooLarge for a value above Limits.MaxValueSize, ErrKeyTooLarge if key and
	// namespace exceed Limits.MaxKeySize, ErrNoKey without a current key, or the codec's
	// error. The old value then stays.
	Set(V) error
	// Clear removes the value. Clearing nothing is no error.
	Clear() error
}

// ValueDescriptor declares a ValueState.
type ValueDescriptor[V any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the values.
	Codec codec.Codec[V]
	// Default is the value that Get returns where nothing is stored.
	Default V
}

// ValueOf declares a value state, or returns a further handle of it. It returns ErrInvalid for a
// nil Keyed, without a codec, and for a name that is empty or has more than backend.MaxNameSize
// bytes; ErrStateMismatch if the name is declared with another kind or codec; ErrStateCollision,
// ErrUnsupported; ErrClosed; or the backend's error if it fails to open its files, which some
// backends do at the first declaration.
func ValueOf[K, V any](k *Keyed[K], d ValueDescriptor[V]) (ValueState[V], error) {
	return valueOf(k, backend.KindValue, d)
}

// valueOf is ValueOf for each kind of state that stores one value.
func valueOf[K, V any](k *Keyed[K], kind backend.Kind, d ValueDescriptor[V]) (ValueState[V], error) {
	if err := k.checkDeclaration(d.Name, d.Codec != nil); err != nil {
		return nil, err
	}
	info := backend.Info{Name: d.Name, Kind: kind, Key: k.codec.ID(), Codecs: []codec.ID{d.Codec.ID()}}
	if b, ok := tierOf(k.backend, codec.RoundTrips(d.Codec)); ok {
		return tierValueOf(k, b, info, d)
	}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, scalarFormat[V]{d.Codec})
		if err != nil {
			return nil, err
		}
		return newHeapValue(h, d), nil
	case backend.ByteBackend:
		h, _, err := byteHandleOf[K, V](k, b, info)
		if err != nil {
			return nil, err
		}
		return &byteValue[K, V]{byteHandle: h, codec: d.Codec, fallback: d.Default}, nil
	default:
		return nil, errNoBackendInterface(d.Name, k.backend)
	}
}
