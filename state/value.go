package state

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ValueState holds one value for each key and namespace. Operations work on
// the current key of the Keyed and on the handle's own namespace.
type ValueState[V any] interface {
	// SetNamespace makes later operations of this handle work in a namespace;
	// nil or empty is the void namespace, in which a handle starts. The bytes
	// are copied.
	SetNamespace(namespace []byte) error
	// Get returns the value. If there is none, it returns the declared default
	// and false. What it returns must not be modified. Only what the codec
	// encodes is defined: parts of a value that it leaves out may or may not
	// come back.
	Get() (value V, ok bool, err error)
	// Set stores a value, which must not be modified afterwards. A value above
	// Limits.MaxValueSize is ErrValueTooLarge, and the old one stays.
	Set(V) error
	// Clear removes the value; removing nothing is no error.
	Clear() error
}

// ValueDescriptor declares a ValueState.
type ValueDescriptor[V any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the values.
	Codec codec.Codec[V]
	// Default is what Get returns where nothing is stored.
	Default V
}

// ValueOf declares a value state, or returns a further handle of it. It
// returns ErrStateMismatch if the name is declared with another kind or codec.
func ValueOf[K, V any](k *Keyed[K], d ValueDescriptor[V]) (ValueState[V], error) {
	return valueOf(k, backend.KindValue, d)
}

// valueOf serves every kind that stores one value.
func valueOf[K, V any](k *Keyed[K], kind backend.Kind, d ValueDescriptor[V]) (ValueState[V], error) {
	if d.Codec == nil {
		return nil, errNoCodec(d.Name)
	}
	info := backend.Info{Name: d.Name, Kind: kind, Key: k.codec.ID(), Codecs: []codec.ID{d.Codec.ID()}}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, scalar[V]{d.Codec})
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
		return nil, errNoSeam(d.Name, k.backend)
	}
}
