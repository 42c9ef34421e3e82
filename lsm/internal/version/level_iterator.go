package version

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// LevelIterator walks the files of a level above 0, one after the other.
type LevelIterator struct {
	Files []*File
	Open  func(*File) *sstable.Iterator
	at    int               // of files
	it    *sstable.Iterator // of the file, nil if none is open
	err   error
}

var _ run.BackwardIterator = (*LevelIterator)(nil)

// Seek implements run.Iterator.
func (l *LevelIterator) Seek(key []byte) bool {
	at, _ := slices.BinarySearchFunc(l.Files, key, func(f *File, key []byte) int {
		if f.Bounds.Before(key) {
			return -1
		}
		return 1
	})
	return l.goTo(at) && l.enter(func(it *sstable.Iterator) bool { return it.Seek(key) })
}

// goTo makes a file the current one.
func (l *LevelIterator) goTo(at int) bool {
	if at != l.at && !l.leave() {
		return false
	}
	l.at = at
	return true
}

// enter goes to the first entry from the current file on: in it by a move, in
// later ones from their beginning.
func (l *LevelIterator) enter(move func(*sstable.Iterator) bool) bool {
	for l.err == nil && l.at < len(l.Files) {
		if l.it == nil {
			l.it = l.Open(l.Files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.leave() {
			return false
		}
		l.at++
		move = func(it *sstable.Iterator) bool { return it.Seek(nil) }
	}
	return false
}

// leave closes the file that is open.
func (l *LevelIterator) leave() bool {
	if l.it != nil {
		l.err = l.it.Close()
		l.it = nil
	}
	return l.err == nil
}

// Next implements run.Iterator.
func (l *LevelIterator) Next() bool {
	if l.it == nil {
		return l.enter(func(it *sstable.Iterator) bool { return it.Seek(nil) })
	}
	return l.it.Next() || l.enter((*sstable.Iterator).Next)
}

// SeekBelow implements run.BackwardIterator.
func (l *LevelIterator) SeekBelow(key []byte) bool {
	at := len(l.Files)
	for at > 0 && key != nil && bytes.Compare(l.Files[at-1].Bounds.From, key) >= 0 {
		at--
	}
	return at > 0 && l.goTo(at-1) && l.enterBelow(func(it *sstable.Iterator) bool { return it.SeekBelow(key) })
}

// Prev implements run.BackwardIterator.
func (l *LevelIterator) Prev() bool { return l.it != nil && l.enterBelow((*sstable.Iterator).Prev) }

// enterBelow goes to the last entry up to the current file: in it by a move, in earlier
// ones from their end.
func (l *LevelIterator) enterBelow(move func(*sstable.Iterator) bool) bool {
	for l.err == nil {
		if l.it == nil {
			l.it = l.Open(l.Files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.leave() || l.at == 0 {
			return false
		}
		l.at--
		move = func(it *sstable.Iterator) bool { return it.SeekBelow(nil) }
	}
	return false
}

// Entry implements run.Iterator.
func (l *LevelIterator) Entry() *run.Entry { return l.it.Entry() }

// Err implements run.Iterator.
func (l *LevelIterator) Err() error { return l.err }

// Close implements run.Iterator.
func (l *LevelIterator) Close() error {
	l.leave()
	return l.err
}
