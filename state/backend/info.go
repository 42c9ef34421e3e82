package backend

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/codec"
)

// Kind is what a state holds under one key and namespace. The numbers are
// written into snapshots and never change.
type Kind uint8

// The kinds of keyed state. Reducing and aggregating states are stored as one
// value, but are kinds of their own: one is not restored as another.
const (
	KindValue       Kind = 1
	KindList        Kind = 2
	KindMap         Kind = 3
	KindReducing    Kind = 4
	KindAggregating Kind = 5
	KindTimers      Kind = 6
)

// kinds gives each kind its name and the number of codecs its values take.
var kinds = [...]struct {
	name   string
	codecs int
}{
	KindValue: {"value", 1}, KindList: {"list", 1}, KindMap: {"map", 2},
	KindReducing: {"reducing", 1}, KindAggregating: {"aggregating", 1}, KindTimers: {"timers", 0},
}

// String is the lower-case name of the kind.
func (k Kind) String() string {
	if k.valid() {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

func (k Kind) valid() bool { return KindValue <= k && int(k) < len(kinds) }

// ID identifies a state in composite keys: the first four bytes of xxh64 of
// its name. It depends on the name alone, so that the files of several
// instances can be joined.
type ID uint32

// IDOf is the id of the state with the given name.
func IDOf(name string) ID { return ID(xxhash.Sum64String(name) >> 32) }

// MaxNameSize bounds the name of a state, in bytes.
const MaxNameSize = 1 << 10

// Info is what a backend, a snapshot and an error know of a state.
type Info struct {
	Name string
	Kind Kind
	// Key is the codec of the keys.
	Key codec.ID
	// Codecs are those of what is stored: the value, the list element or the
	// accumulator; for a map, the user key and the value; none for timers.
	Codecs []codec.ID
}

// ID is IDOf of the name.
func (i Info) ID() ID { return IDOf(i.Name) }

// Equal says whether two infos declare the same state.
func (i Info) Equal(j Info) bool {
	return i.Name == j.Name && i.Kind == j.Kind && i.Key == j.Key && slices.Equal(i.Codecs, j.Codecs)
}

// String gives kind, key and codecs, not the name.
func (i Info) String() string {
	return fmt.Sprintf("%v of %v by %v", i.Kind, i.Codecs, i.Key)
}

// Validate returns ErrInvalid for an info that no declaration produces.
func (i Info) Validate() error {
	switch {
	case i.Name == "" || len(i.Name) > MaxNameSize:
		return fmt.Errorf("state name of %d bytes, want 1 to %d: %w", len(i.Name), MaxNameSize, ErrInvalid)
	case !i.Kind.valid():
		return fmt.Errorf("state %q: unknown %v: %w", i.Name, i.Kind, ErrInvalid)
	case len(i.Codecs) != kinds[i.Kind].codecs:
		return fmt.Errorf("state %q: %d codecs for a %v state: %w", i.Name, len(i.Codecs), i.Kind, ErrInvalid)
	}
	return nil
}
