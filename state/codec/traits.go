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
	// roundTrips: see RoundTrips.
	roundTrips bool
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

// RoundTrips reports whether it is known that Decode returns, for each encoding, the value that
// was encoded, as Normalizer's function returns it, or unchanged if Normalizer returns nil. A
// decoded pointer points to other memory. If RoundTrips returns false, only Decode knows what a
// read returns.
//
// It returns true for Bool, Int, Float, String, Bytes and Time, and for Slice, Map, Pointer and
// Struct if it does for all their parts; for Struct only if the fields cover the whole struct. It
// returns false for JSON, Binary, Func, invalid codecs and codecs of a program's own.
func RoundTrips[T any](c Codec[T]) bool { return traitsOf(c).roundTrips }
