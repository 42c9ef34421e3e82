package lsm

import (
	"slices"

	"github.com/weirstate/weir/internal/run"
)

// levelIterator walks the files of a level above 0, one after the other.
type levelIterator struct {
	files []*file
	open  func(*file) run.Iterator
	at    int          // of files
	it    run.Iterator // of the file, nil if none is open
	err   error
}

var _ run.Iterator = (*levelIterator)(nil)

// Seek implements run.Iterator.
func (l *levelIterator) Seek(key []byte) bool {
	at, _ := slices.BinarySearchFunc(l.files, key, func(f *file, key []byte) int {
		if f.bounds.Before(key) {
			return -1
		}
		return 1
	})
	if at != l.at && !l.leave() {
		return false
	}
	l.at = at
	return l.enter(func(it run.Iterator) bool { return it.Seek(key) })
}

// enter goes to the first entry from the current file on: in it by a move, in
// later ones from their beginning.
func (l *levelIterator) enter(move func(run.Iterator) bool) bool {
	for l.err == nil && l.at < len(l.files) {
		if l.it == nil {
			l.it = l.open(l.files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.leave() {
			return false
		}
		l.at++
		move = func(it run.Iterator) bool { return it.Seek(nil) }
	}
	return false
}

// leave closes the file that is open.
func (l *levelIterator) leave() bool {
	if l.it != nil {
		l.err = l.it.Close()
		l.it = nil
	}
	return l.err == nil
}

// Next implements run.Iterator.
func (l *levelIterator) Next() bool {
	if l.it == nil {
		return l.enter(func(it run.Iterator) bool { return it.Seek(nil) })
	}
	return l.it.Next() || l.enter(run.Iterator.Next)
}

// Entry implements run.Iterator.
func (l *levelIterator) Entry() *run.Entry { return l.it.Entry() }

// Err implements run.Iterator.
func (l *levelIterator) Err() error { return l.err }

// Close implements run.Iterator.
func (l *levelIterator) Close() error {
	l.leave()
	return l.err
}
