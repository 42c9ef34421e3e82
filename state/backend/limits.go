package backend

import "fmt"

// The maximum sizes of a composite key and of a value, in bytes. Exactly 2^31 is legal.
const (
	MaxKeySize   int64 = 1 << 31 // of a composite key
	MaxValueSize int64 = 1 << 31 // of a value, list element or map value
)

// Limits are the maximum sizes of keys and values. The zero value means MaxKeySize and
// MaxValueSize. Lower limits bound memory, or make the limits reachable in a test.
type Limits struct {
	// MaxKeySize is the maximum size of a composite key in bytes, 1 to the constant
	// MaxKeySize. Default: the constant.
	MaxKeySize int64
	// MaxValueSize is the maximum size of one encoded value, list element or map value in
	// bytes, 1 to the constant MaxValueSize. Default: the constant.
	MaxValueSize int64
}

// withDefaults returns the limits with defaults filled in, or ErrInvalidOption.
func (l Limits) withDefaults() (Limits, error) {
	if l.MaxKeySize == 0 {
		l.MaxKeySize = MaxKeySize
	}
	if l.MaxValueSize == 0 {
		l.MaxValueSize = MaxValueSize
	}
	if l.MaxKeySize < 0 || l.MaxKeySize > MaxKeySize {
		return l, fmt.Errorf("Limits.MaxKeySize is %d, want 1 to %d: %w", l.MaxKeySize, MaxKeySize, ErrInvalidOption)
	}
	if l.MaxValueSize < 0 || l.MaxValueSize > MaxValueSize {
		return l, fmt.Errorf("Limits.MaxValueSize is %d, want 1 to %d: %w", l.MaxValueSize, MaxValueSize, ErrInvalidOption)
	}
	return l, nil
}
