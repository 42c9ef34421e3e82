package vfs

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Identity identifies a file, a log or a store: 16 random bytes, stored in it, that stay the same
// when it is renamed, linked or copied. The zero Identity identifies nothing.
type Identity [16]byte

// NewIdentity returns a random identity.
func NewIdentity() (id Identity) {
	_, _ = rand.Read(id[:]) // never fails, by its documentation
	return id
}

// ParseIdentity parses a result of String. Any other text is an error.
func ParseIdentity(text string) (Identity, error) {
	b, err := hex.DecodeString(text)
	if err == nil && len(b) == len(Identity{}) {
		if id := Identity(b); id.String() == text {
			return id, nil
		}
	}
	return Identity{}, fmt.Errorf("identity %.40q, want 32 digits of 0 to 9 and a to f", text)
}

// String returns the identity as 32 hexadecimal digits, in lower case.
func (id Identity) String() string { return hex.EncodeToString(id[:]) }
