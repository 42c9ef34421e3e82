package vfs

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// Identity tells a file, a log or a store from every other: 16 random bytes that stand in
// it and stay when it is renamed, linked or copied. The zero Identity is of nothing.
type Identity [16]byte

// NewIdentity returns a random identity.
func NewIdentity() (id Identity) {
	_, _ = rand.Read(id[:]) // it never fails: see its documentation
	return id
}

// ParseIdentity reads what String returns, and nothing else.
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
