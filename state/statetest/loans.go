package statetest

import (
	"bytes"
	"errors"
)

var errWritten = errors.New("statetest: a caller has written to memory that a backend returned")

// loans are results that a Bytes has returned and that are valid until its next call. Each is a copy
// that is never used again, so that code which keeps it is detected.
type loans struct {
	out     []loan
	written bool // a caller has written to a loan
}

type loan struct{ lent, original []byte }

// lend returns a copy of b that is valid until recall.
func (l *loans) lend(b []byte) []byte {
	lent := make([]byte, len(b))
	copy(lent, b)
	l.out = append(l.out, loan{lent, b})
	return lent
}

// recall overwrites all loans with the byte spoiled.
func (l *loans) recall() {
	for _, due := range l.out {
		l.written = l.written || !bytes.Equal(due.lent, due.original)
		for i := range due.lent {
			due.lent[i] = spoiled
		}
	}
	l.out = l.out[:0]
}

// spoiled is the byte that overwrites loans. It is neither the header of a stored value nor a byte of
// the escape, so decoding it fails.
const spoiled = 0xDB
