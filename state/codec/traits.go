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
	return int64(c.FixedSize()), c.FixedSize() >= 0 && Total(c)
}

// Total says that every value is known to have an encoding, so that Size and
// Append cannot fail.
func Total[T any](c Codec[T]) bool { return traitsOf(c).total }
