package codec

import (
	"fmt"
	"reflect"
	"unsafe"
)

// FieldOf is a field of struct type T: its name, its place in a T and its codec. Field creates it
// for Struct.
type FieldOf[T any] struct {
	name   string
	id     ID
	fixed  int     // size of an encoding in bytes; 0: sizes vary
	offset uintptr // of the field in a T, in bytes
	memory uintptr // size of the field in a T, in bytes
	data   int     // memory without padding
	traits traits
	normal bool // the codec has a Normalizer
	codec  fieldCodec[T]
	err    error
}

// Field returns a field for Struct. Ptr returns the address of the field in a T. The field must be
// part of the T itself, not of memory that T points to, and must have the same offset in each T.
//
//	codec.Field("user", func(o *Order) *string { return &o.User }, codec.String[string]())
func Field[T, F any](name string, ptr func(*T) *F, c Codec[F]) FieldOf[T] {
	f := FieldOf[T]{name: name}
	if f.err = checkLabel(name); f.err != nil {
		return f
	}
	if f.err = fault(c); f.err != nil {
		return f
	}
	f.id = c.ID()
	f.fixed = max(c.FixedSize(), 0)
	f.traits = traitsOf(c)
	f.data = dataBytes(reflect.TypeFor[F]())
	f.offset, f.memory, f.err = fieldOffset(ptr)
	normal := Normalizer(c)
	f.normal = normal != nil
	f.codec = codecAt[T, F]{ptr, c, normal}
	return f
}

// fieldOffset returns offset and size of the field in a T. It calls ptr with a zero T.
func fieldOffset[T, F any](ptr func(*T) *F) (offset, memory uintptr, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: the function that returns the address of a field panics for a zero struct", ErrInvalidCodec)
		}
	}()
	whole := new(T)
	field := ptr(whole)
	if field == nil {
		return 0, 0, fmt.Errorf("%w: the function that returns the address of a field returns nil", ErrInvalidCodec)
	}
	memory = unsafe.Sizeof(*field)
	if memory == 0 {
		return 0, 0, nil
	}
	// If field is below whole, the difference wraps around and is too large.
	offset = uintptr(unsafe.Pointer(field)) - uintptr(unsafe.Pointer(whole))
	if size := unsafe.Sizeof(*whole); offset >= size || memory > size-offset {
		return 0, 0, fmt.Errorf("%w: the field is not inside its struct", ErrInvalidCodec)
	}
	return offset, memory, nil
}

// covered reports whether fields that do not overlap cover a T, except for its padding.
func covered[T any](fields []FieldOf[T]) bool {
	left := dataBytes(reflect.TypeFor[T]())
	for _, f := range fields {
		left -= f.data
	}
	return left == 0
}

// dataBytes returns the size of the values of a type in memory in bytes, without padding.
func dataBytes(t reflect.Type) (size int) {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			size += dataBytes(t.Field(i).Type)
		}
		return size
	case reflect.Array:
		return t.Len() * dataBytes(t.Elem())
	default:
		return int(t.Size())
	}
}

// checkFields returns an error if a field is invalid, or if two fields have the same name or
// overlap in memory.
func checkFields[T any](fields []FieldOf[T]) error {
	for i, f := range fields {
		if f.err != nil {
			return fmt.Errorf("field %q: %w", f.name, f.err)
		}
		if f.codec == nil {
			return fmt.Errorf("%w: a field was not created by Field", ErrInvalidCodec)
		}
		for _, g := range fields[:i] {
			if f.name == g.name {
				return fmt.Errorf("%w: two fields have the name %q", ErrInvalidCodec, f.name)
			}
			if f.offset < g.offset+g.memory && g.offset < f.offset+f.memory {
				return fmt.Errorf("%w: the fields %q and %q overlap in memory", ErrInvalidCodec, g.name, f.name)
			}
		}
	}
	return nil
}

// size returns the number of bytes that the field takes in the encoding of v.
func (f *FieldOf[T]) size(v *T, escaped bool) (int64, error) {
	if f.fixed > 0 && f.traits.total {
		return int64(f.fixed), nil
	}
	if escaped {
		// The number of bytes that need an escape is known only after encoding.
		s := newScratch()
		defer s.release()
		var err error
		if s.buf, err = f.codec.append(s.buf, v); err != nil {
			return 0, err
		}
		return int64(EscapedSize(s.buf)), nil
	}
	n, err := f.codec.size(v)
	if err == nil && f.fixed > 0 && n != int64(f.fixed) {
		return 0, wrongSize(n, f.fixed)
	}
	return n, err
}

// decode decodes the field from the front of src and returns the rest. The last field takes all of
// src.
func (f *FieldOf[T]) decode(v *T, src []byte, escaped, last bool) (rest []byte, err error) {
	switch {
	case len(src) < f.fixed || last && f.fixed > 0 && len(src) > f.fixed:
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(src), f.fixed)
	case last:
		return nil, f.codec.decode(v, src)
	case escaped:
		end, zeros, ok := findEnd(src)
		if !ok {
			return nil, malformedEscape(src, end)
		}
		raw, rest := src[:end:end], src[end+2:]
		if zeros > 0 {
			s := newScratch()
			defer s.release()
			s.buf = unescape(s.buf, raw)
			raw = s.buf
		}
		return rest, f.codec.decode(v, raw)
	default:
		return src[f.fixed:], f.codec.decode(v, src[:f.fixed:f.fixed])
	}
}

// fieldCodec encodes and decodes a field of a T. It hides the type of the field.
type fieldCodec[T any] interface {
	size(v *T) (int64, error)
	append(dst []byte, v *T) ([]byte, error)
	decode(v *T, src []byte) error
	compare(a, b *T) int
	normalize(v *T)
}

// codecAt implements fieldCodec for a field of type F.
type codecAt[T, F any] struct {
	ptr    func(*T) *F
	codec  Codec[F]
	normal func(F) F // the Normalizer of codec; may be nil
}

func (c codecAt[T, F]) size(v *T) (int64, error) {
	return c.codec.Size(*c.ptr(v))
}

func (c codecAt[T, F]) append(dst []byte, v *T) ([]byte, error) {
	return c.codec.Append(dst, *c.ptr(v))
}

func (c codecAt[T, F]) decode(v *T, src []byte) error {
	field, err := c.codec.Decode(src)
	if err == nil {
		*c.ptr(v) = field
	}
	return err
}

func (c codecAt[T, F]) compare(a, b *T) int {
	return c.codec.Compare(*c.ptr(a), *c.ptr(b))
}

func (c codecAt[T, F]) normalize(v *T) {
	if c.normal != nil {
		*c.ptr(v) = c.normal(*c.ptr(v))
	}
}
