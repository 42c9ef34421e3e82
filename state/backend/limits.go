package backend

import "fmt"

// The largest key and value, in bytes; exactly 2^31 is legal.
const (
	MaxKeySize   int64 = 1 << 31
	MaxValueSize int64 = 1 << 31
)

// Limits bounds what a backend accepts. The zero value means MaxKeySize and
// MaxValueSize; lower them to bound memory or to reach the border in a test.
type Limits struct {
	// MaxKeySize bounds the encoded composite key, in bytes. Default and
	// ceiling: MaxKeySize.
	MaxKeySize int64
	// MaxValueSize bounds one encoded value, list element or map value, in
	// bytes. Default and ceiling: MaxValueSize.
	MaxValueSize int64
}

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
