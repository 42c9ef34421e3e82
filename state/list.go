package state

import (
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ListState holds a list for each key and namespace, in the order of arrival.
// An empty list and no list are the same. Operations work on the current key
// of the Keyed and on the handle's own namespace.
//
// The list as a whole may outgrow Limits.MaxValueSize; only a single element
// may not.
type ListState[E any] interface {
	// SetNamespace is as for ValueState.
	SetNamespace(namespace []byte) error
	// Get returns the elements, nil if there are none. The slice must not be
	// modified; its capacity is its length, so that appending to it copies.
	Get() ([]E, error)
	// All yields the elements as they are at the first step, without holding
	// them all in memory where the backend need not. An error is yielded last.
	All() iter.Seq2[E, error]
	// Add puts an element at the end. It must not be modified afterwards.
	Add(E) error
	// AddAll puts elements at the end, all or, on an error of an element, none
	// of them. Adding nothing does nothing. The elements must not be modified
	// afterwards; the slice may be.
	AddAll([]E) error
	// Set replaces the list. An empty list clears. On an error of an element
	// the old list stays. Neither slice nor elements may be modified
	// afterwards.
	Set([]E) error
	// Clear removes the list.
	Clear() error
	// MergeNamespaces moves the lists of the sources, in the order given,
	// behind the target's list. A source that is the target is passed over.
	// It works on the current key, whatever the handle's namespace.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// ListDescriptor declares a ListState.
type ListDescriptor[E any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the elements.
	Codec codec.Codec[E]
}

// ListOf declares a list state, or returns a further handle of it. It returns
// ErrStateMismatch if the name is declared with another kind or codec.
func ListOf[K, E any](k *Keyed[K], d ListDescriptor[E]) (ListState[E], error) {
	if d.Codec == nil {
		return nil, errNoCodec(d.Name)
	}
	info := backend.Info{Name: d.Name, Kind: backend.KindList, Key: k.codec.ID(), Codecs: []codec.ID{d.Codec.ID()}}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, chunked[E]{d.Codec})
		if err != nil {
			return nil, err
		}
		return newHeapList(h, d.Codec), nil
	case backend.ByteBackend:
		h, shared, err := byteHandleOf[K, []E](k, b, info)
		if err != nil {
			return nil, err
		}
		return &byteList[K, E]{byteHandle: h, codec: d.Codec, walks: &shared.walks}, nil
	default:
		return nil, errNoSeam(d.Name, k.backend)
	}
}
