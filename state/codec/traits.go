package codec

// traits are what a codec of this package knows of itself beyond the Codec
// interface. They save work only: any codec may have none of them.
type traits struct {
	// total: every value has an encoding, so Size cannot fail and need not be
	// asked where sizes are fixed.
	total bool
	// distinct: values that differ under == differ in their encodings, so the
	// keys of a Go map cannot collide once encoded. Not so for NaN, for times
	// in two zones or for pointers.
	distinct bool
}

func traitsOf[T any](c Codec[T]) traits {
	if c, ok := c.(interface{ traits() traits }); ok {
		return c.traits()
	}
	return traits{}
}

// ConstantSize is the size in bytes of the encoding that every value has; ok is
// false if sizes vary or some values may have no encoding. With it a backend
// need not ask Size about each value.
func ConstantSize[T any](c Codec[T]) (size int64, ok bool) {
	return int64(c.FixedSize()), c.FixedSize() >= 0 && traitsOf(c).total
}

// EmptyAsNil returns a function that turns an empty value into the nil that
// Decode would return for it, or nil if T is nothing that can be empty. A
// backend that keeps values decoded calls it on what it is given, so that it
// returns what one that encodes returns.
func EmptyAsNil[T any](c Codec[T]) func(T) T {
	if c, ok := c.(interface{ emptyAsNil(T) T }); ok {
		return c.emptyAsNil
	}
	return nil
}
