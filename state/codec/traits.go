package codec

// traits are properties of a codec of this package that save work. A codec without traits is
// correct, only slower.
type traits struct {
	// total: each value has an encoding, so Size never fails, and needs no call if the size
	// is fixed.
	total bool
	// distinct: values that differ under == have different encodings, so two keys of a Go
	// map never have equal encodings. NaNs, times in two zones and pointers are not distinct.
	distinct bool
}

// traitsOf returns the traits of a codec.
func traitsOf[T any](c Codec[T]) traits {
	if c, ok := c.(interface{ traits() traits }); ok {
		return c.traits()
	}
	return traits{}
}

// ConstantSize returns the size in bytes of all encodings. It returns false if sizes vary or a value
// may have no encoding. If it returns true, a backend need not call Size for each value.
func ConstantSize[T any](c Codec[T]) (size int64, ok bool) {
	return int64(c.FixedSize()), c.FixedSize() >= 0 && Total(c)
}

// Total reports whether each value is known to have an encoding, so that Size and Append never fail.
func Total[T any](c Codec[T]) bool { return traitsOf(c).total }
