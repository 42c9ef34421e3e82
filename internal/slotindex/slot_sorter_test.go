package slotindex

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/backend"
)

// keyTable is a frozen table with a key in each slot. It orders equal keys by slot, as real
// tables order them by namespace.
type keyTable struct {
	backend.FrozenTable // nil: a sorter calls no other method
	keys                [][]byte
	read                int // sum of the key sizes that Prefixes has read
}

func (t *keyTable) Prefixes(slots []uint32, from int, prefixes []uint64) {
	for i, slot := range slots {
		var part [8]byte
		copy(part[:], t.keys[slot][min(from, len(t.keys[slot])):])
		prefixes[i] = binary.BigEndian.Uint64(part[:])
		t.read += len(t.keys[slot])
	}
}

func (t *keyTable) Compare(a, b uint32) int {
	if c := bytes.Compare(t.keys[a], t.keys[b]); c != 0 {
		return c
	}
	return int(a) - int(b)
}

// keyShapes holds keys that are hard for a sort of eight bytes at a time.
var keyShapes = map[string]func(rng *rand.Rand) []byte{
	"numbers":             func(rng *rand.Rand) []byte { return binary.BigEndian.AppendUint64(nil, rng.Uint64N(3000)) },
	"any eight bytes":     func(rng *rand.Rand) []byte { return binary.BigEndian.AppendUint64(nil, rng.Uint64()) },
	"two bytes":           func(rng *rand.Rand) []byte { return binary.BigEndian.AppendUint16(nil, uint16(rng.Uint32())) },
	"three bytes":         func(rng *rand.Rand) []byte { return []byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())} },
	"zeros of any length": func(rng *rand.Rand) []byte { return make([]byte, rng.IntN(100)) },
	"few letters": func(rng *rand.Rand) []byte {
		key := make([]byte, rng.IntN(30))
		for i := range key {
			key[i] = byte(rng.IntN(2)) * 0xff
		}
		return key
	},
	"a long beginning": func(rng *rand.Rand) []byte {
		return binary.BigEndian.AppendUint16(make([]byte, radixBytes+20), uint16(rng.IntN(1000)))
	},
	"all the same": func(*rand.Rand) []byte { return []byte("the same key") },
}

func TestSlotsAreSortedAsKeysCompare(t *testing.T) {
	for name, shape := range keyShapes {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 5))
			var sorter slotSorter
			for _, n := range []int{0, 1, 2, radixRows - 1, radixRows, 3*chunkSlots + 1, 300} {
				table := &keyTable{}
				slots := make([]uint32, n)
				for i := range slots {
					slots[i] = uint32(i)
					table.keys = append(table.keys, shape(rng))
				}
				var sorted []uint32
				for _, item := range sorter.sort(table, slots) {
					sorted = append(sorted, item.slot)
				}
				slices.SortFunc(slots, table.Compare)
				require.Equal(t, slots, append([]uint32{}, sorted...), "%d slots", n)
			}
		})
	}
}

func TestSortReadsLongKeysOnlyAFewTimes(t *testing.T) {
	const n, size = 1000, 10_000
	table := &keyTable{}
	var slots []uint32
	for i := range uint32(n) {
		slots = append(slots, i)
		table.keys = append(table.keys, binary.BigEndian.AppendUint32(make([]byte, size-4), i))
	}
	new(slotSorter).sort(table, slots)
	require.LessOrEqual(t, table.read, n*size*(radixBytes/8+1))
}
