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

// Keyed binds a backend to the type of its keys and holds the current key. All states
// declared on it work on this key.
//
// A stream operator calls many operations for one element, and all of them concern the key of
// this element. So the key is set once, by SetKey, which encodes and hashes it once:
//
//	SetKey("ann") ──► encoding ──► 64-bit hash ──► key group        checked against the
//	                     │             │               │            backend's key groups
//	                     ▼             ▼               ▼
//	states of the     composite      place in a     which backend
//	Keyed             key on disk    hash index     owns the key
//
// The second dimension of a state is the namespace, a byte string. A window operator keeps the
// contents of each window of a key in a namespace of its own:
//
//	              void    window [0,10)   window [10,20)
//	key "ann"      3           1               4             one state: a cell is a value, a
//	key "bob"      1           -               5             list or a map; "-" is empty
//
// The key belongs to the Keyed; the namespace belongs to the handle. Each call of ValueOf and
// so on returns a handle that starts in the void namespace and stays in the namespace that its
// SetNamespace chose, whatever the current key is. Two handles of one state see the same cells.
//
// Session windows grow together when an element closes the gap between them. MergeNamespaces
// moves the contents of the source namespaces into the target namespace, for the current key:
// lists are appended, folded values go through the Reduce or Merge function, in the order of
// the sources. The sources are empty afterwards.
//
// Invariant: after a failed SetKey there is no current key, so that no operation can write to
// the key of the element before.
//
// Invariant: all Keyed of one backend have the same key codec; NewKeyed checks it.
//
// Cost: SetKey encodes and hashes the key and allocates nothing once its buffer has grown.
//
// Thread safety: the task's goroutine only.
type Keyed[K any] struct {
	backend    backend.Backend
	registry   *backend.Registry
	clock      *cow.Clock // of the registry
	codec      codec.Codec[K]
	keySize    int // codec.FixedSize()
	alwaysFits int // encoded keys up to this size need no check: see alwaysFitsBytes

	key        K      // the current key, if set is true
	hash       uint64 // of encoded
	encoded    []byte // the encoding of key
	group      uint16 // the key group of key
	set        bool
	keyVersion uint64 // incremented by every SetKey; a table compares it instead of the key
}

// NewKeyed binds a backend to the codec of its keys. It may be called several times for one
// backend with the same codec; each Keyed has its own current key. It returns ErrInvalid if an
// argument is nil, ErrStateMismatch for another codec than before, and ErrClosed.
func NewKeyed[K any](b backend.Backend, key codec.Codec[K]) (*Keyed[K], error) {
	if b == nil || key == nil {
		return nil, fmt.Errorf("keyed: backend and key codec must not be nil: %w", ErrInvalid)
	}
	if err := bindingOf(b.Registry()).Bind(key.ID(), key.FixedSize()); err != nil {
		return nil, fmt.Errorf("keyed: %w", err)
	}
	k := newKeyed(b.Registry(), key)
	k.backend, k.clock = b, bindingOf(b.Registry()).Clock()
	return k, nil
}

// checkDeclaration returns ErrInvalid if a declaration lacks its Keyed or a codec.
func (k *Keyed[K]) checkDeclaration(name string, hasCodecs bool) error {
	switch {
	case k == nil || k.backend == nil:
		return fmt.Errorf("state %q: the Keyed must not be nil: %w", name, ErrInvalid)
	case !hasCodecs:
		return errNoCodec(name)
	}
	return nil
}

// bindingOf returns the methods of a registry that only this package may call.
func bindingOf(r *backend.Registry) statebind.Binding[backend.Info] {
	return statebind.Of(r).(statebind.Binding[backend.Info])
}

// newKeyed returns a Keyed that can hold a current key but has no backend and no clock.
func newKeyed[K any](r *backend.Registry, key codec.Codec[K]) *Keyed[K] {
	return &Keyed[K]{
		registry: r, codec: key, keySize: key.FixedSize(),
		alwaysFits: alwaysFitsBytes(r.Limits()),
	}
}

// Backend returns the backend that was given to NewKeyed.
func (k *Keyed[K]) Backend() backend.Backend { return k.backend }

// SetKey makes key the current key of all states of this Keyed. The caller must not modify the
// key afterwards. SetKey returns ErrKeyGroup if the backend does not own the key's group,
// ErrKeyTooLarge if the key exceeds Limits.MaxKeySize, ErrClosed, or the codec's error. After
// an error there is no current key.
func (k *Keyed[K]) SetKey(key K) error {
	if err := k.encode(key); err != nil {
		return err
	}
	return k.setCurrent(key, KeyGroup(k.hash, k.registry.Keyspace().MaxParallelism))
}

// SetKeyAndGroup is SetKey with a key group that the caller has computed. It is for host
// engines with another hash function. The caller must give the same group for the same key
// every time.
func (k *Keyed[K]) SetKeyAndGroup(key K, group uint16) error {
	if err := k.encode(key); err != nil {
		return err
	}
	return k.setCurrent(key, group)
}

// Key returns the current key. It returns false if there is no current key.
func (k *Keyed[K]) Key() (key K, ok bool) {
	if k.set {
		key = k.key
	}
	return key, k.set
}

// requireKey returns ErrClosed if the backend is closed, and ErrNoKey without a current key.
func (k *Keyed[K]) requireKey() error {
	if k.set && !k.registry.Closed() {
		return nil
	}
	if k.registry.Closed() {
		return ErrClosed
	}
	return ErrNoKey
}

// encode sets the encoding and the hash of a new current key. There is no current key until
// setCurrent.
func (k *Keyed[K]) encode(key K) (err error) {
	k.set = false
	k.keyVersion++
	if k.encoded, err = k.codec.Append(k.encoded[:0], key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if k.keySize >= 0 && len(k.encoded) != k.keySize {
		return errKeySize(len(k.encoded), k.keySize)
	}
	k.hash = xxhash.Sum64(k.encoded)
	return nil
}

// setCurrent makes the key that encode has encoded the current one.
func (k *Keyed[K]) setCurrent(key K, group uint16) error {
	switch r := k.registry; {
	case r.Closed():
		return ErrClosed
	case !r.Keyspace().Groups.Contains(group):
		return fmt.Errorf("key group %d: the backend owns %v of %d key groups: %w",
			group, r.Keyspace().Groups, r.Keyspace().MaxParallelism, ErrKeyGroup)
	}
	if len(k.encoded) > k.alwaysFits {
		if err := k.checkFits(nil, 0); err != nil {
			return err
		}
	}
	k.key, k.group, k.set = key, group, true
	return nil
}

// checkFits returns ErrKeyTooLarge if the composite key of the current key, a namespace and a
// suffix of suffixSize bytes exceeds the limit.
func (k *Keyed[K]) checkFits(namespace []byte, suffixSize int64) error {
	limit := k.registry.Limits().MaxKeySize
	// Escaping at most doubles a part and adds two bytes to it.
	if upper := backend.HeaderSize + 2*int64(len(k.encoded)+len(namespace)) + 4 + suffixSize; upper <= limit {
		return nil
	}
	return checkKeySize(k.registry.Limits(), backend.HeaderSize+keyFormSize(k.encoded, k.keySize)+
		int64(codec.EscapedSize(namespace))+suffixSize)
}

// keyFormSize returns the number of bytes that backend.AppendKey adds for an encoded key.
func keyFormSize(encoded []byte, keySize int) int64 {
	if keySize >= 0 {
		return int64(len(encoded))
	}
	return int64(codec.EscapedSize(encoded))
}

// appendRow appends the composite key of the current key and a namespace, without a suffix.
func (k *Keyed[K]) appendRow(dst []byte, id ID, namespace []byte) []byte {
	dst = backend.AppendKey(backend.AppendHeader(dst, k.group, id), k.encoded, k.keySize)
	return codec.AppendEscaped(dst, namespace)
}

// Keys iterates over the keys that the named state has in a namespace; nil is the void
// namespace. It yields each key once, ordered by key group, then by encoding. The iteration
// sees the state as it is at its first step; the loop may write to the state. An error is
// yielded last: ErrUnknownState for a state that is not declared, ErrUnsupported for a timer
// service. Keys reads all rows of the state in all namespaces.
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

// KeyAndNamespace is a pair of key and namespace under which a state holds something.
type KeyAndNamespace[K any] struct {
	// Key is the decoded key.
	Key K
	// Namespace is nil for the void namespace.
	Namespace []byte
}

// KeysAndNamespaces is Keys for all namespaces. It yields each pair of key and namespace once;
// the namespaces of a key follow each other, ordered by their bytes.
func (k *Keyed[K]) KeysAndNamespaces(name string) iter.Seq2[KeyAndNamespace[K], error] {
	return func(yield func(KeyAndNamespace[K], error) bool) {
		if err := k.scanPairs(name, func(at KeyAndNamespace[K]) bool { return yield(at, nil) }); err != nil {
			yield(KeyAndNamespace[K]{}, fmt.Errorf("state %q: %w", name, err))
		}
	}
}

// errStop ends a scan when the loop over it has ended. It never leaves the package.
var errStop = errors.New("stop")

// scanPairs calls yield with each pair of key and namespace of a state until yield returns
// false.
func (k *Keyed[K]) scanPairs(name string, yield func(KeyAndNamespace[K]) bool) error {
	if k.registry.Closed() {
		return ErrClosed
	}
	info, ok := k.registry.Info(backend.IDOf(name))
	if !ok || info.Name != name {
		return ErrUnknownState
	}
	if info.Kind == backend.KindTimers {
		return fmt.Errorf("Keys does not list the keys of timers: %w", ErrUnsupported)
	}
	var last []byte // the composite key, without suffix, of the pair yielded last
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
