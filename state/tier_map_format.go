package state

import (
	"reflect"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// mapCodecs holds the codecs of a map state in a hot tier. It is the tierFormat of maps: each entry is
// a row below, whose suffix is the encoded user key.
type mapCodecs[UK, UV any] struct {
	keys       codec.Codec[UK]
	values     codec.Codec[UV]
	keySize    func(UK) int64 // see sizeOf; may be nil
	valueSize  func(UV) int64 // see sizeOf; may be nil
	entryBytes int64          // memory of an entry without what its key and value refer to
	emptyBytes int64          // memory of a map without entries
}

func mapCodecsOf[UK comparable, UV any](d MapDescriptor[UK, UV]) mapCodecs[UK, UV] {
	return mapCodecs[UK, UV]{
		keys: d.Key, values: d.Value, keySize: sizeOf(d.Key), valueSize: sizeOf(d.Value),
		entryBytes: int64(reflect.TypeFor[Entry[UK, cell[UV]]]().Size()),
		emptyBytes: int64(reflect.TypeFor[sortedMap[UK, cell[UV]]]().Size()),
	}
}

func (c mapCodecs[UK, UV]) mark(r *mapRow[UK, UV]) *mark { return &r.mark }

func (c mapCodecs[UK, UV]) size(r *mapRow[UK, UV]) int64 { return r.bytes }

// entries implements tierFormat. After a Clear there are no absent entries of the same epoch: what was
// written after it is fresh.
func (c mapCodecs[UK, UV]) entries(r *mapRow[UK, UV], epoch uint32, b *rowBuffer, yield func(op backend.Op, key, value []byte) error) (err error) {
	if r.cleared == epoch {
		if err := yield(backend.OpDeletePrefix, b.key, nil); err != nil {
			return err
		}
	}
	prefix := len(b.key)
	r.entries.ascend(c.keys, start[UK]{}, func(e Entry[UK, cell[UV]]) bool {
		if e.Value.written != epoch {
			return true
		}
		if b.key, err = c.keys.Append(b.key[:prefix], e.Key); err != nil {
			return false
		}
		if e.Value.absent {
			err = yield(backend.OpDelete, b.key, nil)
			return err == nil
		}
		if b.value, err = c.values.Append(append(b.value[:0], storedHeader), e.Value.value); err != nil {
			return false
		}
		err = yield(backend.OpSet, b.key, b.value)
		return err == nil
	})
	return err
}
