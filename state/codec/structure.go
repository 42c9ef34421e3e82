package codec

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Struct returns the codec of a struct. It encodes the given fields in the given order: a field of
// fixed size raw, a field of variable size escaped (see AppendEscaped), and the last field raw. So
// structs sort by their first field, then by their second and so on, each as its codec sorts it.
// The codec has a fixed size if all fields have. Without fields, the encoding is one byte 00.
//
// Decode leaves parts of T that no field covers at zero. Increment version whenever the meaning of
// the fields changes. Their names and codecs are in the ID's Schema; see ID.
//
// If two fields have the same name or overlap in memory, or a name is empty or contains one of the
// characters , : ( ), the methods of the codec return ErrInvalidCodec.
func Struct[T any](name string, version uint32, fields ...FieldOf[T]) Codec[T] {
	if err := checkName(name); err != nil {
		return newInvalid[T](name, version, err)
	}
	if err := checkFields(fields); err != nil {
		return newInvalid[T](name, version, err)
	}
	c := &structCodec[T]{
		id:     ID{Name: name, Version: version},
		fields: append([]FieldOf[T](nil), fields...),
		known:  traits{total: true, roundTrips: covered(fields)},
	}
	var schema []string
	for _, f := range fields {
		schema = append(schema, f.name+":"+f.id.String())
		c.known.total = c.known.total && f.traits.total
		c.known.roundTrips = c.known.roundTrips && f.traits.roundTrips
		if f.fixed == 0 {
			c.fixed = -1
		}
		if c.fixed >= 0 {
			c.fixed += f.fixed
		}
	}
	if len(fields) == 0 {
		c.fixed = 1
	}
	c.id.Schema = strings.Join(schema, ",")
	return c
}

type structCodec[T any] struct {
	id     ID
	fields []FieldOf[T]
	fixed  int // size of an encoding in bytes; -1: sizes vary
	known  traits

	// Methods pass the address of a struct to field codecs through an interface, so the
	// compiler would allocate the struct on the heap in each call. They copy it to operands
	// of this pool instead.
	pool sync.Pool // of *operands[T] with zero structs
}

// operands holds the structs of one call of a method.
type operands[T any] struct{ a, b T }

// borrow returns operands with zero structs.
func (c *structCodec[T]) borrow() *operands[T] {
	if p, ok := c.pool.Get().(*operands[T]); ok {
		return p
	}
	return new(operands[T])
}

func (c *structCodec[T]) ID() ID         { return c.id }
func (c *structCodec[T]) FixedSize() int { return c.fixed }
func (c *structCodec[T]) traits() traits { return c.known }

func (c *structCodec[T]) normalizes() bool {
	return slices.ContainsFunc(c.fields, func(f FieldOf[T]) bool { return f.normal })
}

func (c *structCodec[T]) normalize(v T) T {
	p := c.borrow()
	p.a = v
	for i := range c.fields {
		c.fields[i].codec.normalize(&p.a)
	}
	v = p.a
	setZero(&p.a)
	c.pool.Put(p)
	return v
}

func (c *structCodec[T]) Size(v T) (int64, error) {
	if c.fixed >= 0 && c.known.total {
		return int64(c.fixed), nil
	}
	p := c.borrow()
	p.a = v
	size, err := c.size(&p.a)
	setZero(&p.a)
	c.pool.Put(p)
	return size, err
}

func (c *structCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if len(c.fields) == 0 {
		return append(dst, 0), nil
	}
	p := c.borrow()
	p.a = v
	out, err := c.append(dst, &p.a)
	setZero(&p.a)
	c.pool.Put(p)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (c *structCodec[T]) Decode(src []byte) (T, error) {
	var v T
	if len(c.fields) == 0 {
		if len(src) != 1 || src[0] != 0 {
			return v, malformed(c.id.Name, "%d bytes, want one 00", len(src))
		}
		return v, nil
	}
	p := c.borrow()
	err := c.decode(&p.a, src)
	if err == nil {
		v = p.a
	}
	setZero(&p.a)
	c.pool.Put(p)
	return v, err
}

func (c *structCodec[T]) Compare(a, b T) int {
	p := c.borrow()
	p.a, p.b = a, b
	order := c.compare(p)
	setZero(p)
	c.pool.Put(p)
	return order
}

// setZero sets a value to zero, so that the pool does not keep its memory alive.
func setZero[V any](v *V) {
	var zero V
	*v = zero
}

// isEscaped reports whether field i is encoded with an escape.
func (c *structCodec[T]) isEscaped(i int) bool {
	return c.fields[i].fixed == 0 && i < len(c.fields)-1
}

func (c *structCodec[T]) size(v *T) (int64, error) {
	var size int64
	for i := range c.fields {
		f := &c.fields[i]
		n, err := f.size(v, c.isEscaped(i))
		if err != nil {
			return 0, c.wrap(f, err)
		}
		size += n
	}
	return size, nil
}

func (c *structCodec[T]) append(out []byte, v *T) ([]byte, error) {
	for i := range c.fields {
		f := &c.fields[i]
		at := len(out)
		var err error
		if out, err = f.codec.append(out, v); err != nil {
			return nil, c.wrap(f, err)
		}
		if n := len(out) - at; f.fixed > 0 && n != f.fixed {
			return nil, c.wrap(f, wrongSize(int64(n), f.fixed))
		}
		if c.isEscaped(i) {
			out = escapeTail(out, at)
		}
	}
	return out, nil
}

func (c *structCodec[T]) decode(v *T, src []byte) error {
	for i := range c.fields {
		f := &c.fields[i]
		var err error
		if src, err = f.decode(v, src, c.isEscaped(i), i == len(c.fields)-1); err != nil {
			return c.wrap(f, err)
		}
	}
	return nil
}

func (c *structCodec[T]) compare(p *operands[T]) int {
	for i := range c.fields {
		if order := c.fields[i].codec.compare(&p.a, &p.b); order != 0 {
			return order
		}
	}
	return 0
}

// wrap adds the names of the codec and of a field to an error.
func (c *structCodec[T]) wrap(f *FieldOf[T], err error) error {
	return fmt.Errorf("codec %q: field %q: %w", c.id.Name, f.name, err)
}
