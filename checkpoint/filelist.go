package checkpoint

import (
	"fmt"
	"math"

	"github.com/weirstate/weir/snapshot"
)

// fileList is the files of a checkpoint as they are checked, one part after the
// other.
type fileList struct {
	id      ID
	attempt AttemptID
	bytes   int64
	files   map[string]listedFile
}

type listedFile struct {
	snapshot.FileRef
	operator string
}

func newFileList(id ID, attempt AttemptID) *fileList {
	return &fileList{id: id, attempt: attempt, files: make(map[string]listedFile)}
}

// add sees that a name stands for one file in the whole checkpoint, which only
// subtasks of one operator may share, and that all sizes have a sum.
func (l *fileList) add(operator string, p Part) error {
	if err := l.addBytes(int64(len(p.Data))); err != nil || p.Handle == nil {
		return err
	}
	for _, f := range p.Handle.Files {
		if err := l.checkShared(f); err != nil {
			return err
		}
		if other, twice := l.files[f.Name]; twice && !(other.operator == operator && sameShared(other.FileRef, f)) {
			return fmt.Errorf("file %q twice", f.Name)
		}
		l.files[f.Name] = listedFile{f, operator}
		if err := l.addBytes(f.Size); err != nil {
			return err
		}
	}
	return nil
}

func (l *fileList) addBytes(n int64) error {
	if l.bytes > math.MaxInt64-n {
		return fmt.Errorf("more than 2^63 bytes")
	}
	l.bytes += n
	return nil
}

// checkShared sees that a shared file was written by this checkpoint or by one
// before.
func (l *fileList) checkShared(f snapshot.FileRef) error {
	if !f.Shared {
		return nil
	}
	o, ok := parseSharedName(f.Name)
	switch {
	case !ok:
		return fmt.Errorf("shared file %q is not named as one", f.Name)
	case o.id > l.id || o.id == l.id && o.attempt != l.attempt || o.attempt > l.attempt:
		return fmt.Errorf("shared file %q of checkpoint %d and attempt %d, which come later", f.Name, o.id, o.attempt)
	}
	return nil
}

// sameShared says whether two references are to the same shared file; their bounds
// may differ.
func sameShared(a, b snapshot.FileRef) bool {
	a.Bounds = b.Bounds
	return a == b && a.Shared
}
