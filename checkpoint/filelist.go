package checkpoint

import (
	"fmt"
	"math"

	"github.com/weirstate/weir/snapshot"
)

// fileList collects the files of all parts of a checkpoint to check rules across parts.
type fileList struct {
	id      ID
	attempt AttemptID
	bytes   int64 // sum of all sizes so far
	files   map[string]listedFile
}

// listedFile is a file and the operator whose handle lists it.
type listedFile struct {
	snapshot.FileRef
	operator string
}

// newFileList returns an empty list for a checkpoint.
func newFileList(id ID, attempt AttemptID) *fileList {
	return &fileList{id: id, attempt: attempt, files: make(map[string]listedFile)}
}

// add adds the files of a part. It checks that each name is used once in the checkpoint, except
// that subtasks of one operator may list the same shared file, and that the sum of all sizes is
// below 2^63.
func (l *fileList) add(operator string, p Part) error {
	if err := l.addBytes(int64(len(p.Data))); err != nil || p.Handle == nil {
		return err
	}
	for _, f := range p.Handle.Files {
		if err := l.checkShared(f); err != nil {
			return err
		}
		if other, twice := l.files[f.Name]; twice && !(other.operator == operator && sameShared(other.FileRef, f)) {
			return fmt.Errorf("file %q is listed twice", f.Name)
		}
		l.files[f.Name] = listedFile{f, operator}
		if err := l.addBytes(f.Size); err != nil {
			return err
		}
	}
	return nil
}

// addBytes adds n to the sum of sizes.
func (l *fileList) addBytes(n int64) error {
	if l.bytes > math.MaxInt64-n {
		return fmt.Errorf("sizes add up to 2^63 bytes or more")
	}
	l.bytes += n
	return nil
}

// checkShared checks that the name of a shared file names this checkpoint or an earlier one.
func (l *fileList) checkShared(f snapshot.FileRef) error {
	if !f.Shared {
		return nil
	}
	o, ok := parseSharedName(f.Name)
	switch {
	case !ok:
		return fmt.Errorf("shared file %q: want a name like s<checkpoint>-<attempt>-<operator>-<subtask>", f.Name)
	case o.id > l.id || o.id == l.id && o.attempt != l.attempt || o.attempt > l.attempt:
		return fmt.Errorf("shared file %q: checkpoint %d and attempt %d are later than checkpoint %d, attempt %d", f.Name, o.id, o.attempt, l.id, l.attempt)
	}
	return nil
}

// sameShared reports whether two references are to the same shared file. Their bounds may
// differ.
func sameShared(a, b snapshot.FileRef) bool {
	a.Bounds = b.Bounds
	return a == b && a.Shared
}
