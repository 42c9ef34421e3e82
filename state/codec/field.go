package codec

import (
	"fmt"
	"unsafe"
)

// FieldOf is a field of struct type T: a name, a place in T and a codec. It is
// made by Field and given to Struct.
type FieldOf[T any] struct {
	name   string
	id     ID
	fixed  int     // bytes of an encoding, 0 if they vary
	offset uintptr // bytes from the start of a T
	memory uintptr // bytes in a T
	total  bool    // traits.total
	normal bool    // values of the field have to be normalized
	codec  fieldCodec[T]
	err    error
}

// Field says how a part of T is encoded. Ptr leads from a T to the field, which
// must be inside the T itself, not behind a pointer or in a map, and in every T
// at the same place.
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
	f.total = traitsOf(c).total
	f.offset, f.memory, f.err = locate(ptr)
	normal := Normalizer(c)
	f.normal = normal != nil
	f.codec = codecAt[T, F]{ptr, c, normal}
	return f
}

// locate finds the field that ptr leads to in a T made for the purpose.
func locate[T, F any](ptr func(*T) *F) (offset, memory uintptr, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: there is no way to the field from the zero value of its struct", ErrInvalidCodec)
		}
	}()
	whole := new(T)
	field := ptr(whole)
	if field == nil {
		return 0, 0, fmt.Errorf("%w: there is no field", ErrInvalidCodec)
	}
	memory = unsafe.Sizeof(*field)
	if memory == 0 {
		return 0, 0, nil
	}
	// If field is below whole, the difference wraps and is too large as well.
	offset = uintptr(unsafe.Pointer(field)) - uintptr(unsafe.Pointer(whole))
	if size := unsafe.Sizeof(*whole); offset >= size || memory > size-offset {
		return 0, 0, fmt.Errorf("%w: the field is outside of its struct", ErrInvalidCodec)
	}
	return offset, memory, nil
}

// checkFields refuses fields that Struct cannot tell apart: what one of them
// decodes, another would overwrite.
func checkFields[T any](fields []FieldOf[T]) error {
	for i, f := range fields {
		if f.err != nil {
			return fmt.Errorf("field %q: %w", f.name, f.err)
		}
		if f.codec == nil {
			return fmt.Errorf("%w: a field was not made by Field", ErrInvalidCodec)
		}
		for _, g := range fields[:i] {
			if f.name == g.name {
				return fmt.Errorf("%w: two fields are called %q", ErrInvalidCodec, f.name)
			}
			if f.offset < g.offset+g.memory && g.offset < f.offset+f.memory {
				return fmt.Errorf("%w: the fields %q and %q share memory", ErrInvalidCodec, g.name, f.name)
			}
		}
	}
	return nil
}

// size is the number of bytes that the field takes in the encoding of v.
func (f *FieldOf[T]) size(v *T, escaped bool) (int64, error) {
	if f.fixed > 0 && f.total {
		return int64(f.fixed), nil
	}
	if escaped {
		// Only the encoding shows how many of its bytes need an escape.
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

// decode reads the field from the front of src, or from all of it if it is the
// last one, and returns what is left.
func (f *FieldOf[T]) decode(v *T, src []byte, escaped, last bool) (rest []byte, err error) {
	switch {
	case len(src) < f.fixed || last && f.fixed > 0 && len(src) > f.fixed:
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(src), f.fixed)
	case last:
		return nil, f.codec.decode(v, src)
	case escaped:
		end, zeros, err := findEnd(src)
		if err != nil {
			return nil, err
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

// fieldCodec is the codec of a field, for one who does not know the field's type.
type fieldCodec[T any] interface {
	size(v *T) (int64, error)
	append(dst []byte, v *T) ([]byte, error)
	decode(v *T, src []byte) error
	compare(a, b *T) int
	normalize(v *T)
}

type codecAt[T, F any] struct {
	ptr    func(*T) *F
	codec  Codec[F]
	normal func(F) F // nil if there is nothing to do
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
