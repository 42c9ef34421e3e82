package version

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// LevelIterator walks the files of a level above 0, one after the other. It has an iterator of
// the current file only, and creates it when the walk reaches the file.
type LevelIterator struct {
	Files []*File                       // files of the level, ascending by key
	Open  func(*File) *sstable.Iterator // returns an iterator of a file
	at    int                           // index in Files of the current file
	it    *sstable.Iterator             // iterator of the current file, nil if it is not open
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
	return l.goTo(at) && l.seekForward(func(it *sstable.Iterator) bool { return it.Seek(key) })
}

// goTo makes the file at an index the current one, and closes the previous one.
func (l *LevelIterator) goTo(at int) bool {
	if at != l.at && !l.closeCurrent() {
		return false
	}
	l.at = at
	return true
}

// seekForward applies move to the iterator of the current file. If that finds no entry, seekForward
// continues at the beginning of the following files.
func (l *LevelIterator) seekForward(move func(*sstable.Iterator) bool) bool {
	for l.err == nil && l.at < len(l.Files) {
		if l.it == nil {
			l.it = l.Open(l.Files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.closeCurrent() {
			return false
		}
		l.at++
		move = func(it *sstable.Iterator) bool { return it.Seek(nil) }
	}
	return false
}

// closeCurrent closes the iterator of the current file.
func (l *LevelIterator) closeCurrent() bool {
	if l.it != nil {
		l.err = l.it.Close()
		l.it = nil
	}
	return l.err == nil
}

// Next implements run.Iterator.
func (l *LevelIterator) Next() bool {
	if l.it == nil {
		return l.seekForward(func(it *sstable.Iterator) bool { return it.Seek(nil) })
	}
	return l.it.Next() || l.seekForward((*sstable.Iterator).Next)
}

// SeekBelow implements run.BackwardIterator.
func (l *LevelIterator) SeekBelow(key []byte) bool {
	at := len(l.Files)
	for at > 0 && key != nil && bytes.Compare(l.Files[at-1].Bounds.From, key) >= 0 {
		at--
	}
	return at > 0 && l.goTo(at-1) && l.seekBackward(func(it *sstable.Iterator) bool { return it.SeekBelow(key) })
}

// Prev implements run.BackwardIterator.
func (l *LevelIterator) Prev() bool { return l.it != nil && l.seekBackward((*sstable.Iterator).Prev) }

// seekBackward applies move to the iterator of the current file. If that finds no entry,
// seekBackward continues at the end of the preceding files.
func (l *LevelIterator) seekBackward(move func(*sstable.Iterator) bool) bool {
	for l.err == nil {
		if l.it == nil {
			l.it = l.Open(l.Files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.closeCurrent() || l.at == 0 {
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
	l.closeCurrent()
	return l.err
}
