package state

import (
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// ListState holds a list for each key and namespace, in the order of arrival. An empty list
// and no list are the same. Operations work on the current key of the Keyed and on the
// namespace of the handle.
//
// Limits.MaxValueSize limits each element, not the list.
//
// Thread safety: the task's goroutine only.
type ListState[E any] interface {
	// SetNamespace selects the namespace of later operations: see ValueState.
	SetNamespace(namespace []byte) error
	// Get returns all elements, or nil for an empty list. The caller must not modify the
	// slice. Its capacity is its length, so append copies it.
	Get() ([]E, error)
	// All iterates over the elements that the list has at the first step; the loop may
	// write to the list. A disk backend reads the list in chunks of 1 MiB. An error is
	// yielded last.
	All() iter.Seq2[E, error]
	// Add appends an element. The caller must not modify it afterwards. Errors are those of
	// ValueState.Set.
	Add(E) error
	// AddAll appends elements. If one of them has no encoding or is too large, it appends
	// none. The caller must not modify the elements afterwards, but may modify the slice.
	AddAll([]E) error
	// Set replaces the list; an empty slice clears it. If an element has no encoding or is
	// too large, the old list stays. The caller must modify neither the slice nor the
	// elements afterwards.
	Set([]E) error
	// Clear removes the list. Clearing an empty list is no error.
	Clear() error
	// MergeNamespaces appends the lists of the source namespaces, in the order given, to
	// the list of the target namespace, and clears the sources. It skips a source that
	// equals the target or an earlier source. It works on the current key and does not
	// depend on the handle's namespace.
	MergeNamespaces(target []byte, sources [][]byte) error
}

// ListDescriptor declares a ListState.
type ListDescriptor[E any] struct {
	// Name identifies the state in its backend and in snapshots.
	Name string
	// Codec encodes the elements.
	Codec codec.Codec[E]
}

// ListOf declares a list state, or returns a further handle of it. Errors are those of ValueOf.
func ListOf[K, E any](k *Keyed[K], d ListDescriptor[E]) (ListState[E], error) {
	if err := k.checkDeclaration(d.Name, d.Codec != nil); err != nil {
		return nil, err
	}
	info := backend.Info{Name: d.Name, Kind: backend.KindList, Key: k.codec.ID(), Codecs: []codec.ID{d.Codec.ID()}}
	if b, ok := tierOf(k.backend, codec.RoundTrips(d.Codec)); ok {
		return tierListOf(k, b, info, d.Codec)
	}
	switch b := k.backend.(type) {
	case backend.HeapBackend:
		h, err := tableOf(k, b, info, listFormat[E]{d.Codec})
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
		return nil, errNoBackendInterface(d.Name, k.backend)
	}
}
