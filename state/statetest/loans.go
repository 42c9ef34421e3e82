package statetest

import (
	"bytes"
	"errors"
)

var errWritten = errors.New("statetest: memory that a backend had lent was written to")

// loans is memory handed out until the next call. Each loan is a copy of its
// own, never used for another, so that whoever keeps it is found out.
type loans struct {
	out     []loan
	written bool // somebody wrote to a loan
}

type loan struct{ lent, original []byte }

// lend returns a copy of b that is good until recall.
func (l *loans) lend(b []byte) []byte {
	lent := make([]byte, len(b))
	copy(lent, b)
	l.out = append(l.out, loan{lent, b})
	return lent
}

// recall ends all loans.
func (l *loans) recall() {
	for _, due := range l.out {
		l.written = l.written || !bytes.Equal(due.lent, due.original)
		for i := range due.lent {
			due.lent[i] = spoiled
		}
	}
	l.out = l.out[:0]
}

// spoiled is the byte that is read where a loan was: no header of a stored
// value and no mark of an escape.
const spoiled = 0xDB
