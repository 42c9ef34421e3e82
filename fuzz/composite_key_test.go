package fuzz

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// place is the position of a map entry: the parts of its composite key, in order.
type place struct {
	group                   uint16
	key, namespace, userKey string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.group, q.group), cmp.Compare(p.key, q.key),
		cmp.Compare(p.namespace, q.namespace), cmp.Compare(p.userKey, q.userKey))
}

// FuzzCompositeKey decodes the rows of a backend by docs/format-key.md alone, and compares them
// with the entries that were written.
func FuzzCompositeKey(f *testing.F) {
	seed(f, "prefixes", "a", "", "x", "ab", "", "x", int64(0), int64(-1))
	seed(f, "zeros", "a\x00", "\x00", "\x00", "a", "\x00\x01", "", int64(1)<<62, -int64(1)<<62)
	seed(f, "one key", "k", "n", "a", "k", "n", "b", int64(5), int64(5))
	seed(f, "ends of parts", "k\x00\x01", "", "", "k", "\x00\x01", "", int64(-1)<<63, int64(1)<<62)
	f.Fuzz(func(t *testing.T, k1, n1, u1, k2, n2, u2 string, t1, t2 int64) {
		variable := func(s string) string { return s }
		fixed := func(s string) uint32 { return uint32(xxhash.Sum64String(s)) }
		entries(t, codec.String[string](), variable, [][3]string{{k1, n1, u1}, {k2, n2, u2}})
		entries(t, codec.Int[uint32](), fixed, [][3]string{{k1, n1, u1}, {k2, n2, u2}})
		timers(t, []state.TimerEntry{
			{Timestamp: t1, Group: uint16(len(k1)), Row: []byte(k1 + n1)},
			{Timestamp: t2, Group: uint16(len(k2)), Row: []byte(k2 + n2)},
		})
		headers(t, []byte(k1))
	})
}

// entries writes map entries and checks their rows.
func entries[K any](t *testing.T, c codec.Codec[K], key func(string) K, all [][3]string) {
	b, err := heapstate.NewBTree(state.Options{Keyspace: state.WholeKeyspace(128)})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, c)
	require.NoError(t, err)
	m, err := state.MapOf(k, state.MapDescriptor[string, bool]{Name: "m", Key: codec.String[string](), Value: codec.Bool[bool]()})
	require.NoError(t, err)
	var want []place
	for _, e := range all {
		require.NoError(t, k.SetKey(key(e[0])))
		require.NoError(t, m.SetNamespace([]byte(e[1])))
		require.NoError(t, m.Put(e[2], true))
		encoded, err := c.Append(nil, key(e[0]))
		require.NoError(t, err)
		group := uint16((xxhash.Sum64(encoded) >> 32) * 128 >> 32)
		want = append(want, place{group, string(encoded), e[1], e[2]})
	}
	slices.SortFunc(want, place.compare)
	want = slices.Compact(want)

	var got []place
	var rows, prefixes [][]byte
	require.NoError(t, b.Scan(backend.IDOf("m"), func(row, value []byte) error {
		at, prefix := splitRow(t, row, c.FixedSize())
		got = append(got, at)
		rows, prefixes = append(rows, bytes.Clone(row)), append(prefixes, bytes.Clone(row[:prefix]))
		if !bytes.Equal(value, []byte{0, 1}) {
			t.Fatalf("stored value is %x", value)
		}
		return nil
	}))
	if !slices.Equal(want, got) {
		t.Fatalf("%q written, %q read", want, got)
	}
	for i := 1; i < len(rows); i++ {
		if bytes.Compare(rows[i-1], rows[i]) >= 0 {
			t.Fatalf("%x comes before %x", rows[i-1], rows[i])
		}
		same := want[i-1].key == want[i].key && want[i-1].namespace == want[i].namespace
		if bytes.HasPrefix(rows[i], prefixes[i-1]) != same {
			t.Fatalf("prefix %x of another row and row %x: the prefix must match exactly if key and namespace are equal", prefixes[i-1], rows[i])
		}
	}
}

// splitRow decodes the composite key of a map entry. It also returns the offset of the suffix.
func splitRow(t *testing.T, row []byte, keySize int) (at place, suffix int) {
	at.group = binary.BigEndian.Uint16(row)
	if id := binary.BigEndian.Uint32(row[2:]); id != uint32(xxhash.Sum64String("m")>>32) {
		t.Fatalf("state id %#x", id)
	}
	rest := row[6:]
	if keySize >= 0 {
		at.key, rest = string(rest[:keySize]), rest[keySize:]
	} else {
		at.key, rest = unescaped(rest)
	}
	at.namespace, rest = unescaped(rest)
	at.userKey = string(rest)
	return at, len(row) - len(rest)
}

// unescaped returns the escaped part at the front of src, decoded, and the rest of src.
func unescaped(src []byte) (part string, rest []byte) {
	for i := 0; ; i++ {
		if src[i] != 0 {
			part += string(src[i : i+1])
			continue
		}
		if i++; src[i] == 1 {
			return part, src[i+1:]
		}
		part += "\x00"
	}
}

// timers checks that the composite keys of timers decode to the timers and sort like them.
func timers(t *testing.T, all []state.TimerEntry) {
	const id = 0x01020304
	var rows [][]byte
	for i, entry := range all {
		d := state.Domain(i % 2)
		row := backend.AppendTimerKey([]byte("x"), id, d, entry)[1:]
		group, gotID, rest, err := backend.SplitHeader(row)
		require.NoError(t, err)
		gotDomain, got, err := backend.SplitTimerKey(group, rest)
		if err != nil || gotID != id || gotDomain != d || got.Timestamp != entry.Timestamp ||
			got.Group != entry.Group || !bytes.Equal(got.Row, entry.Row) {
			t.Fatalf("%v %v decodes to %v %v, %v", d, entry, gotDomain, got, err)
		}
		rows = append(rows, backend.AppendTimerKey(nil, id, 0, entry))
	}
	want := cmp.Or(cmp.Compare(all[0].Group, all[1].Group), cmp.Compare(all[0].Timestamp, all[1].Timestamp),
		bytes.Compare(all[0].Row, all[1].Row))
	if bytes.Compare(rows[0], rows[1]) != want {
		t.Fatalf("the keys of %v and %v are in the wrong order", all[0], all[1])
	}
}

// headers decodes arbitrary bytes as composite keys.
func headers(t *testing.T, key []byte) {
	group, id, rest, err := backend.SplitHeader(key)
	if err != nil {
		if !errors.Is(err, state.ErrCorrupt) {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(append(backend.AppendHeader(nil, group, id), rest...), key) {
		t.Fatalf("%x decodes to %d, %d, %x, which is encoded to other bytes", key, group, id, rest)
	}
	d, entry, err := backend.SplitTimerKey(group, rest)
	if err != nil {
		if !errors.Is(err, state.ErrCorrupt) {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(backend.AppendTimerKey(nil, id, d, entry), key) {
		t.Fatalf("%x decodes to %v, %v, which is encoded to other bytes", key, d, entry)
	}
}
