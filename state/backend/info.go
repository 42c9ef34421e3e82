package backend

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/codec"
)

// Kind is the kind of a state: what it holds for a key and a namespace. Snapshots contain the
// numbers, so they never change.
type Kind uint8

// The kinds of keyed state. Reducing and aggregating states store one value, as value states do,
// but a snapshot of one kind cannot be restored as another.
const (
	KindValue       Kind = 1 // one value: state.ValueOf
	KindList        Kind = 2 // a list: state.ListOf
	KindMap         Kind = 3 // a map: state.MapOf
	KindReducing    Kind = 4 // one folded value: state.ReducingOf
	KindAggregating Kind = 5 // one accumulator: state.AggregatingOf
	KindTimers      Kind = 6 // timers: state.TimersOf
)

// kinds holds the name of each kind and the number of codecs in its Info.Codecs.
var kinds = [...]struct {
	name   string
	codecs int
}{
	KindValue: {"value", 1}, KindList: {"list", 1}, KindMap: {"map", 2},
	KindReducing: {"reducing", 1}, KindAggregating: {"aggregating", 1}, KindTimers: {"timers", 0},
}

// String returns the name of the kind in lower case.
func (k Kind) String() string {
	if k.valid() {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// valid reports whether k is one of the constants.
func (k Kind) valid() bool { return KindValue <= k && int(k) < len(kinds) }

// ID identifies a state in composite keys. It is the upper half of xxh64 of the state's name. It
// depends on the name only, so all subtasks of a job have the same IDs.
type ID uint32

// IDOf returns the ID of the state with a name.
func IDOf(name string) ID { return ID(xxhash.Sum64String(name) >> 32) }

// MaxNameSize is the maximum size of a state's name in bytes.
const MaxNameSize = 1 << 10

// Info is the declaration of a state, without its Go types. Snapshots record it.
type Info struct {
	// Name is the name of the state, 1 to MaxNameSize bytes.
	Name string
	// Kind is the kind of the state.
	Kind Kind
	// Key identifies the codec of the keys.
	Key codec.ID
	// Codecs identify the codecs of the stored values: of the value, the list element or
	// the accumulator; for a map, of the user key and the value. It is empty for timers.
	Codecs []codec.ID
}

// ID returns IDOf(i.Name).
func (i Info) ID() ID { return IDOf(i.Name) }

// Equal reports whether two infos have the same name, kind and codecs.
func (i Info) Equal(j Info) bool {
	return i.Name == j.Name && i.Kind == j.Kind && i.Key == j.Key && slices.Equal(i.Codecs, j.Codecs)
}

// String returns kind, value codecs and key codec, without the name.
func (i Info) String() string {
	return fmt.Sprintf("%v of %v by %v", i.Kind, i.Codecs, i.Key)
}

// Validate returns ErrInvalid for an illegal name, an unknown kind, or a wrong number of codecs for
// the kind.
func (i Info) Validate() error {
	switch {
	case i.Name == "" || len(i.Name) > MaxNameSize:
		return fmt.Errorf("a state name has %d bytes, want 1 to %d: %w", len(i.Name), MaxNameSize, ErrInvalid)
	case !i.Kind.valid():
		return fmt.Errorf("state %q: %v is unknown: %w", i.Name, i.Kind, ErrInvalid)
	case len(i.Codecs) != kinds[i.Kind].codecs:
		return fmt.Errorf("state %q: %d value codecs for a %v state, want %d: %w", i.Name, len(i.Codecs), i.Kind, kinds[i.Kind].codecs, ErrInvalid)
	}
	return nil
}
