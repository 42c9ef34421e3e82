package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Map returns the codec of Go maps. The encoding is the number of entries as a uvarint, then the
// entries in the order of their encoded keys. An entry is key and value, each raw if its codec has
// a fixed size, else preceded by its size as a uvarint. So equal maps have equal encodings. A nil
// map and an empty map are the same value, decoded as nil.
//
// A Go map distinguishes keys by ==, the encoding by encoded keys. If a map has two keys with equal
// encodings (two NaNs, one instant in two time zones), it has no encoding: ErrUnencodable. If an
// encoding has two keys that are == (-0 and +0), it is malformed.
func Map[K comparable, V any](key Codec[K], value Codec[V]) Codec[map[K]V] {
	if err := fault(key); err != nil {
		return newInvalid[map[K]V]("map", 1, err)
	}
	if err := fault(value); err != nil {
		return newInvalid[map[K]V]("map", 1, err)
	}
	return &mapCodec[K, V]{
		id:    ID{Name: "map", Version: 1, Schema: key.ID().String() + "," + value.ID().String()},
		key:   elementOf(key),
		value: elementOf(value),
	}
}

type mapCodec[K comparable, V any] struct {
	id    ID
	key   element[K]
	value element[V]
}

func (c *mapCodec[K, V]) ID() ID         { return c.id }
func (c *mapCodec[K, V]) FixedSize() int { return -1 }

func (c *mapCodec[K, V]) traits() traits {
	key, value := c.key.traits, c.value.traits
	return traits{
		total:      key.total && key.distinct && value.total,
		roundTrips: key.roundTrips && value.roundTrips,
	}
}

func (c *mapCodec[K, V]) normalize(m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	key, value := Normalizer(c.key.codec), Normalizer(c.value.codec)
	if key == nil && value == nil {
		return m
	}
	kept := make(map[K]V, len(m))
	for k, v := range m {
		kept[apply(key, k)] = apply(value, v)
	}
	return kept
}

func (c *mapCodec[K, V]) Size(m map[K]V) (int64, error) {
	size := int64(uvarintSize(uint64(len(m))))
	if !c.key.traits.distinct {
		s := newScratch()
		defer s.release()
		if err := c.sort(s, m); err != nil {
			return 0, err
		}
		return size + int64(len(s.buf)), nil
	}
	for k, v := range m {
		n, err := c.key.size(k)
		if err != nil {
			return 0, c.wrap("key", err)
		}
		size += n
		if n, err = c.value.size(v); err != nil {
			return 0, c.wrap("value", err)
		}
		size += n
	}
	return size, nil
}

func (c *mapCodec[K, V]) Append(dst []byte, m map[K]V) ([]byte, error) {
	s := newScratch()
	defer s.release()
	if err := c.sort(s, m); err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	dst = slices.Grow(dst, len(s.buf))
	for _, e := range s.spans {
		dst = append(dst, s.buf[e.start:e.end]...)
	}
	return dst, nil
}

// span is the place of an entry in scratch.buf: buf[start:end]. The encoded key, without its frame,
// is buf[keyStart:keyEnd].
type span struct {
	start, keyStart, keyEnd, end int
}

// sort encodes the entries of m into s.buf, in any order, and sets s.spans to their places, sorted
// by encoded key. It returns ErrUnencodable if two encoded keys are equal.
func (c *mapCodec[K, V]) sort(s *scratch, m map[K]V) error {
	for k, v := range m {
		var err error
		e := span{start: len(s.buf)}
		if s.buf, err = c.key.append(s.buf, k); err != nil {
			return c.wrap("key", err)
		}
		raw, _, _ := c.key.split(s.buf[e.start:])
		e.keyEnd = len(s.buf)
		e.keyStart = e.keyEnd - len(raw)
		if s.buf, err = c.value.append(s.buf, v); err != nil {
			return c.wrap("value", err)
		}
		e.end = len(s.buf)
		s.spans = append(s.spans, e)
	}
	key := func(e span) []byte { return s.buf[e.keyStart:e.keyEnd] }
	slices.SortFunc(s.spans, func(a, b span) int { return bytes.Compare(key(a), key(b)) })
	for i := 1; i < len(s.spans); i++ {
		if bytes.Equal(key(s.spans[i-1]), key(s.spans[i])) {
			return fmt.Errorf("codec \"map\": %w: two of %d keys have equal encodings", ErrUnencodable, len(m))
		}
	}
	return nil
}

func (c *mapCodec[K, V]) Decode(src []byte) (map[K]V, error) {
	count, rest, ok := splitUvarint(src)
	if !ok {
		return nil, malformed("map", "bad count in %d bytes", len(src))
	}
	if count > uint64(len(rest)/(c.key.minSize()+c.value.minSize())) {
		return nil, malformed("map", "%d entries in %d bytes", count, len(rest))
	}
	var m map[K]V
	if count > 0 {
		m = make(map[K]V, initialCapacity(count, len(rest), c.key.memory+c.value.memory))
	}
	var before []byte
	for i := range int(count) {
		rawKey, next, ok := c.key.split(rest)
		if !ok {
			return nil, malformed("map", "key %d is cut off after %d bytes", i, len(rest))
		}
		if i > 0 && bytes.Compare(before, rawKey) >= 0 {
			return nil, malformed("map", "key %d is not above the key before it", i)
		}
		rawValue, next, ok := c.value.split(next)
		if !ok {
			return nil, malformed("map", "value %d is cut off after %d bytes", i, len(rest))
		}
		k, err := c.key.codec.Decode(rawKey)
		if err != nil {
			return nil, c.wrap("key", err)
		}
		v, err := c.value.codec.Decode(rawValue)
		if err != nil {
			return nil, c.wrap("value", err)
		}
		m[k] = v
		before, rest = rawKey, next
	}
	if len(rest) > 0 {
		return nil, malformed("map", "%d bytes after the last entry", len(rest))
	}
	if uint64(len(m)) != count {
		return nil, malformed("map", "%d encoded keys decode to %d different keys", count, len(m))
	}
	return m, nil
}

func (c *mapCodec[K, V]) Compare(a, b map[K]V) int {
	if len(a) != len(b) {
		return compareUvarint(uint64(len(a)), uint64(len(b)))
	}
	if len(a) == 0 {
		return 0
	}
	return CompareEncoded(c, a, b)
}

// wrap adds the part of the map, "key" or "value", to an error.
func (c *mapCodec[K, V]) wrap(part string, err error) error {
	return fmt.Errorf("codec \"map\": %s: %w", part, err)
}
