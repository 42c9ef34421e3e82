package checkpoint

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/weirstate/weir/snapshot"
)

// fileList collects the files of all parts of a checkpoint to check rules across parts.
type fileList struct {
	id      ID
	attempt AttemptID
	bytes   int64 // sum of all sizes so far
	files   map[string]listedFile
}

// listedFile is a file, its place if it is packed, and the operator whose handle lists it.
type listedFile struct {
	snapshot.FileRef
	place    Place
	operator string
}

// newFileList returns an empty list for a checkpoint.
func newFileList(id ID, attempt AttemptID) *fileList {
	return &fileList{id: id, attempt: attempt, files: make(map[string]listedFile)}
}

// add adds the files of a part. It checks that each name is used once in the checkpoint, except
// that subtasks of one operator may list the same shared file in the same place, and that the sum
// of all sizes is below 2^63.
func (l *fileList) add(operator string, p Part) error {
	if err := l.addBytes(int64(len(p.Data))); err != nil || p.Handle == nil {
		return err
	}
	for _, f := range p.Handle.Files {
		if err := l.checkShared(f); err != nil {
			return err
		}
		place := p.Packed[f.Name]
		if other, twice := l.files[f.Name]; twice && !(other.operator == operator && sameShared(other.FileRef, f) && other.place == place) {
			return fmt.Errorf("file %q is listed twice", f.Name)
		}
		l.files[f.Name] = listedFile{f, place, operator}
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

// checkPacks checks the packs of the checkpoint: names in ascending order; each pack has a file, and
// each packed file lies in a pack that the checkpoint which wrote the file also wrote, a shared file
// in a shared pack; files are within their packs and do not overlap.
func (l *fileList) checkPacks(packs []Pack) error {
	packed := make(map[string][]listedFile)
	for _, f := range l.files {
		if f.place.Pack != "" {
			packed[f.place.Pack] = append(packed[f.place.Pack], f)
		}
	}
	for i, pack := range packs {
		if i > 0 && packs[i-1].Name >= pack.Name {
			return fmt.Errorf("pack %q is out of order", pack.Name)
		}
		by, ok := parsePackName(pack.Name)
		if !ok {
			return fmt.Errorf("pack %q: want a name like <attempt>-pack<number> or s<checkpoint>-<attempt>-pack<number>", pack.Name)
		}
		files := packed[pack.Name]
		if len(files) == 0 {
			return fmt.Errorf("pack %q has no file", pack.Name)
		}
		if err := l.checkPacked(pack, by, files); err != nil {
			return err
		}
		delete(packed, pack.Name)
	}
	for name := range packed {
		return fmt.Errorf("pack %q is not in the list of packs", name)
	}
	return nil
}

// checkPacked checks the files of one pack, which the checkpoint and attempt in by wrote.
func (l *fileList) checkPacked(pack Pack, by owner, files []listedFile) error {
	slices.SortFunc(files, func(a, b listedFile) int {
		return cmp.Or(cmp.Compare(a.place.Offset, b.place.Offset), cmp.Compare(a.Size, b.Size))
	})
	end := int64(0)
	for _, f := range files {
		of := owner{attempt: l.attempt}
		if f.Shared {
			of, _ = parseSharedName(f.Name) // checkShared has accepted it
		}
		of.pack = true
		switch {
		case of != by:
			return fmt.Errorf("file %q cannot be in pack %q, which another checkpoint or attempt wrote", f.Name, pack.Name)
		case f.place.Offset < end:
			return fmt.Errorf("file %q overlaps another one in pack %q", f.Name, pack.Name)
		}
		end = f.place.Offset + f.Size
	}
	if end > pack.Bytes {
		return fmt.Errorf("files in pack %q end at %d, after its end at %d", pack.Name, end, pack.Bytes)
	}
	return nil
}

// sameShared reports whether two references are to the same shared file. Their bounds may
// differ.
func sameShared(a, b snapshot.FileRef) bool {
	a.Bounds = b.Bounds
	return a == b && a.Shared
}
