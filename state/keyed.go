package state

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/internal/statebind"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Keyed is a backend seen through the type of its keys. It holds the current
// key, which all states declared on it work on.
//
// Thread safety: the task's goroutine only.
type Keyed[K any] struct {
	backend  backend.Backend
	registry *backend.Registry
	clock    *cow.Clock // of the registry
	codec    codec.Codec[K]
	keySize  int // codec.FixedSize
	roomy    int // roomyKey

	key     K
	hash    uint64 // of the encoding
	encoded []byte // of key
	group   uint16
	set     bool
	turn    uint64 // counts changes of the current key
}

// NewKeyed types a backend by the codec of its keys. Several Keyed on one
// backend are legal if their codecs are the same, each with its own current
// key.
func NewKeyed[K any](b backend.Backend, key codec.Codec[K]) (*Keyed[K], error) {
	if b == nil || key == nil {
		return nil, fmt.Errorf("keyed: backend and key codec are required: %w", ErrInvalid)
	}
	if err := bindingOf(b.Registry()).Bind(key.ID(), key.FixedSize()); err != nil {
		return nil, fmt.Errorf("keyed: %w", err)
	}
	k := newKeyed(b.Registry(), key)
	k.backend, k.clock = b, bindingOf(b.Registry()).Clock()
	return k, nil
}

// bindingOf opens the door to the half of a registry that only this package calls.
func bindingOf(r *backend.Registry) statebind.Binding[backend.Info] {
	return statebind.Of(r).(statebind.Binding[backend.Info])
}

// newKeyed makes one that has only what the current key needs.
func newKeyed[K any](r *backend.Registry, key codec.Codec[K]) *Keyed[K] {
	return &Keyed[K]{
		registry: r, codec: key, keySize: key.FixedSize(),
		roomy: roomyKey(r.Limits()),
	}
}

// Backend is the backend that NewKeyed was given.
func (k *Keyed[K]) Backend() backend.Backend { return k.backend }

// SetKey makes key the current key of all states. The key must not be modified
// afterwards. It returns ErrKeyGroup if the backend does not own the key's
// group, ErrKeyTooLarge, or the codec's error; then there is no current key.
func (k *Keyed[K]) SetKey(key K) error {
	if err := k.encode(key); err != nil {
		return err
	}
	return k.enter(key, KeyGroup(k.hash, k.registry.Keyspace().MaxParallelism))
}

// SetKeyAndGroup is SetKey with a key group computed by the caller: for a host
// engine that has a hash of its own. The same key must always come with the
// same group.
func (k *Keyed[K]) SetKeyAndGroup(key K, group uint16) error {
	if err := k.encode(key); err != nil {
		return err
	}
	return k.enter(key, group)
}

// Key returns the current key, ok false if there is none.
func (k *Keyed[K]) Key() (key K, ok bool) {
	if k.set {
		key = k.key
	}
	return key, k.set
}

// ready is nil if there is a current key to work on.
func (k *Keyed[K]) ready() error {
	if k.set && !k.registry.Closed() {
		return nil
	}
	if k.registry.Closed() {
		return ErrClosed
	}
	return ErrNoKey
}

func (k *Keyed[K]) encode(key K) (err error) {
	k.set = false
	k.turn++
	if k.encoded, err = k.codec.Append(k.encoded[:0], key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if k.keySize >= 0 && len(k.encoded) != k.keySize {
		return errKeySize(len(k.encoded), k.keySize)
	}
	k.hash = xxhash.Sum64(k.encoded)
	return nil
}

func (k *Keyed[K]) enter(key K, group uint16) error {
	switch r := k.registry; {
	case r.Closed():
		return ErrClosed
	case !r.Keyspace().Groups.Contains(group):
		return fmt.Errorf("key group %d, backend owns %v of %d: %w",
			group, r.Keyspace().Groups, r.Keyspace().MaxParallelism, ErrKeyGroup)
	}
	if len(k.encoded) > k.roomy {
		if err := k.fits(nil, 0); err != nil {
			return err
		}
	}
	k.key, k.group, k.set = key, group, true
	return nil
}

// fits returns ErrKeyTooLarge if the composite key of the current key with a
// namespace and a suffix outgrows the limit.
func (k *Keyed[K]) fits(namespace []byte, suffixSize int64) error {
	limit := k.registry.Limits().MaxKeySize
	// An escape at most doubles, and ends in two bytes.
	if upper := backend.HeaderSize + 2*int64(len(k.encoded)+len(namespace)) + 4 + suffixSize; upper <= limit {
		return nil
	}
	return checkKeySize(k.registry.Limits(), backend.HeaderSize+keyFormSize(k.encoded, k.keySize)+
		int64(codec.EscapedSize(namespace))+suffixSize)
}

// keyFormSize is the number of bytes that backend.AppendKey adds.
func keyFormSize(encoded []byte, keySize int) int64 {
	if keySize >= 0 {
		return int64(len(encoded))
	}
	return int64(codec.EscapedSize(encoded))
}

// appendRow adds the composite key of the current key without suffix to dst.
func (k *Keyed[K]) appendRow(dst []byte, id ID, namespace []byte) []byte {
	dst = backend.AppendKey(backend.AppendHeader(dst, k.group, id), k.encoded, k.keySize)
	return codec.AppendEscaped(dst, namespace)
}

// Keys yields every key that has something in the named state under the
// namespace (nil: the void namespace), once, in the order of key groups and
// encodings. It reads the state as it is at the first step: writing meanwhile is
// safe and changes nothing of what is yielded. An error is yielded last.
func (k *Keyed[K]) Keys(name string, namespace []byte) iter.Seq2[K, error] {
	return func(yield func(K, error) bool) {
		for at, err := range k.KeysAndNamespaces(name) {
			if err == nil && string(at.Namespace) != string(namespace) {
				continue
			}
			if !yield(at.Key, err) {
				return
			}
		}
	}
}

// KeyAndNamespace is one of the places where a state has something.
type KeyAndNamespace[K any] struct {
	Key K
	// Namespace is nil for the void namespace.
	Namespace []byte
}

// KeysAndNamespaces is Keys for all namespaces: it yields every pair once, a
// key's namespaces one after the other in the order of their bytes.
func (k *Keyed[K]) KeysAndNamespaces(name string) iter.Seq2[KeyAndNamespace[K], error] {
	return func(yield func(KeyAndNamespace[K], error) bool) {
		if err := k.scanPairs(name, func(at KeyAndNamespace[K]) bool { return yield(at, nil) }); err != nil {
			yield(KeyAndNamespace[K]{}, fmt.Errorf("state %q: %w", name, err))
		}
	}
}

// errStop ends a scan whose reader has seen enough. It never leaves the package.
var errStop = errors.New("stop")

func (k *Keyed[K]) scanPairs(name string, yield func(KeyAndNamespace[K]) bool) error {
	if k.registry.Closed() {
		return ErrClosed
	}
	info, ok := k.registry.Info(backend.IDOf(name))
	if !ok || info.Name != name {
		return ErrUnknownState
	}
	if info.Kind == backend.KindTimers {
		return fmt.Errorf("a timer service has no keys to list: %w", ErrUnsupported)
	}
	var last []byte // the pair yielded last, in the form of composite keys
	err := k.backend.Scan(info.ID(), func(row, _ []byte) error {
		encoded, namespace, suffix, err := backend.SplitPrefix(row[backend.HeaderSize:], k.keySize)
		if err != nil {
			return corrupt(err)
		}
		pair := row[:len(row)-len(suffix)]
		if string(pair) == string(last) {
			return nil
		}
		last = append(last[:0], pair...)
		key, err := k.codec.Decode(encoded)
		if err != nil {
			return corrupt(err)
		}
		if !yield(KeyAndNamespace[K]{key, append([]byte(nil), namespace...)}) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}
