package codec

// Normalizer returns a function that converts a value to the value that Decode returns for its
// encoding. It returns nil if Decode returns every value of the codec unchanged. A backend that
// stores values decoded calls the function in each write, so that reads return the same values as
// from a backend that encodes.
//
// The function replaces empty slices and maps by nil, clips spare capacity, and removes time zone
// and monotonic clock of times, at all levels of a value. It never modifies its argument; the
// result may share memory with it.
//
// Codecs of a program's own and JSON, Binary and Func have no Normalizer. Parts of a value that
// they do not encode are undefined. RoundTrips tells them from codecs that need no Normalizer.
func Normalizer[T any](c Codec[T]) func(T) T {
	if n, ok := c.(interface{ normalize(T) T }); ok && needsNormalizing(c) {
		return n.normalize
	}
	return nil
}

// needsNormalizing reports whether a codec with a normalize method needs it: a pointer or a struct
// does not if none of its parts does.
func needsNormalizing(c any) bool {
	if n, ok := c.(interface{ normalizes() bool }); ok {
		return n.normalizes()
	}
	return true
}

// apply calls a function that Normalizer returned, if it is not nil.
func apply[T any](normal func(T) T, v T) T {
	if normal == nil {
		return v
	}
	return normal(v)
}
