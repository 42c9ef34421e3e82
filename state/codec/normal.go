package codec

// Normalizer returns a function that gives back a value as Decode would return
// it, without the detour over its encoding, or nil if there is nothing to do for
// any value of the codec. Empty slices and maps become nil, spare capacity is
// clipped, times lose zone and monotonic clock, and all of it also holds for
// what is inside. A backend that keeps values decoded calls it on what it is
// given, so that it returns what a backend that encodes returns. It never
// modifies its argument, which the result may share memory with.
//
// Codecs of a program's own, JSON, Binary and Func among them, are not
// normalized: what they leave out of an encoding is the program's affair.
func Normalizer[T any](c Codec[T]) func(T) T {
	if n, ok := c.(interface{ normalize(T) T }); ok && needsNormalizing(c) {
		return n.normalize
	}
	return nil
}

// needsNormalizing is false for a container of what needs none and for a struct
// of such fields.
func needsNormalizing(c any) bool {
	if n, ok := c.(interface{ normalizes() bool }); ok {
		return n.normalizes()
	}
	return true
}

// apply calls a Normalizer's result.
func apply[T any](normal func(T) T, v T) T {
	if normal == nil {
		return v
	}
	return normal(v)
}
