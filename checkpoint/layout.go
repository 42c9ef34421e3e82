package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstate/weir/snapshot"
)

// layout maps checkpoints and attempts of a job to names of objects, and back: see
// docs/format-checkpoint.md.
type layout struct{ job string }

const (
	metadataName = "_metadata"
	sharedFolder = "shared"
)

// root returns the prefix of all names of the job.
func (l layout) root() string { return l.job + "/" }

// folder returns the prefix of the names that belong to one checkpoint alone.
func (l layout) folder(id ID) string { return fmt.Sprintf("%s/chk-%d/", l.job, id) }

// metadata returns the name of a checkpoint's metadata object.
func (l layout) metadata(id ID) string { return l.folder(id) + metadataName }

// fileName returns the prefix of the names of a subtask's files in the checkpoint's folder.
// Each attempt has its own.
func fileName(a AttemptID, at subtaskID) string {
	return fmt.Sprintf("%d-%s-%d", a, at.operator, at.subtask)
}

// shared returns the prefix of the names of shared files.
func (l layout) shared() string { return l.root() + sharedFolder + "/" }

// object returns the name of the object that holds a file of a checkpoint.
func (l layout) object(id ID, f snapshot.FileRef) string {
	if f.Shared {
		return l.shared() + f.Name
	}
	return l.folder(id) + f.Name
}

// sharedName returns the prefix of the names of the shared files that a subtask writes. Each
// checkpoint and attempt has its own, and none is a name in a checkpoint's folder.
func sharedName(id ID, a AttemptID, at subtaskID) string {
	return fmt.Sprintf("s%d-%s", id, fileName(a, at))
}

// packName returns the name of a pack: of shared files in the shared folder, or of other files in
// the checkpoint's folder. It cannot be the name of a file, even of an operator called "pack1":
// there a dash and the subtask follow.
func packName(id ID, a AttemptID, shared bool, number int) string {
	if shared {
		return fmt.Sprintf("s%d-%d-%s%d", id, a, packPrefix, number)
	}
	return fmt.Sprintf("%d-%s%d", a, packPrefix, number)
}

const packPrefix = "pack"

// parsePackName returns the owner of a pack. The checkpoint is 0 for a pack in a checkpoint's folder.
func parsePackName(name string) (o owner, ok bool) {
	if o, ok = parseSharedName(name); ok {
		return o, o.pack
	}
	first, rest, _ := strings.Cut(name, "-")
	number, isPack := strings.CutPrefix(rest, packPrefix)
	o = owner{pack: true}
	o.attempt, ok = parseNumber[AttemptID](first)
	return o, ok && isPack && isPackNumber(number)
}

// pack returns the name of the object of a pack to which a checkpoint refers.
func (l layout) pack(id ID, name string) string {
	if o, ok := parsePackName(name); ok && o.shared {
		return l.shared() + name
	}
	return l.folder(id) + name
}

// isPackNumber reports whether s is a number in the form that packName writes.
func isPackNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// parseSharedName returns the checkpoint and attempt that wrote a shared file or a pack.
func parseSharedName(name string) (o owner, ok bool) {
	rest, ok := strings.CutPrefix(name, "s")
	if !ok || snapshot.CheckName(name) != nil {
		return o, false
	}
	parts := strings.SplitN(rest, "-", 3)
	if len(parts) < 3 || parts[2] == "" {
		return o, false
	}
	o.shared = true
	number, isPack := strings.CutPrefix(parts[2], packPrefix)
	o.pack = isPack && isPackNumber(number)
	o.id, ok = parseNumber[ID](parts[0])
	var isAttempt bool
	o.attempt, isAttempt = parseNumber[AttemptID](parts[1])
	return o, ok && isAttempt
}

// owner is the checkpoint or attempt to which an object belongs.
type owner struct {
	id      ID        // the checkpoint; 0 for the record of an attempt
	attempt AttemptID // 0 if any attempt may have written the object
	shared  bool      // complete checkpoints other than id may list the object
	pack    bool      // the object is a pack
}

// checkpointOf returns the checkpoint in a name, or 0. Unlike ownerOf it accepts every name in
// a checkpoint's folder.
func (l layout) checkpointOf(name string) ID {
	folder, _, _ := strings.Cut(strings.TrimPrefix(name, l.root()), "/")
	if number, ok := strings.CutPrefix(folder, "chk-"); ok {
		if id, ok := parseNumber[ID](number); ok {
			return id
		}
	}
	if o, ok := l.ownerOf(name); ok {
		return o.id
	}
	return 0
}

// isFolder reports whether a name is one of the job's folders.
func (l layout) isFolder(name string) bool {
	folder, ok := strings.CutPrefix(name, l.root())
	return ok && (folder == completedFolder || folder == attemptsFolder || folder == sharedFolder ||
		!strings.Contains(folder, "/") && l.checkpointOf(name) != 0)
}

// ownerOf returns the owner of an object. ok is false if the name does not have the form that
// Weir uses.
func (l layout) ownerOf(name string) (o owner, ok bool) {
	rest, ok := strings.CutPrefix(name, l.root())
	if !ok {
		return o, false
	}
	folder, file, ok := strings.Cut(rest, "/")
	if !ok || strings.Contains(file, "/") {
		return o, false
	}
	number, isCheckpoint := strings.CutPrefix(folder, "chk-")
	switch {
	case isCheckpoint && file == metadataName:
		o.id, ok = parseNumber[ID](number)
	case isCheckpoint:
		var rest bool
		o.id, ok = parseNumber[ID](number)
		first, _, found := strings.Cut(file, "-")
		o.attempt, rest = parseNumber[AttemptID](first)
		ok = ok && rest && found
	case folder == sharedFolder:
		return parseSharedName(file)
	case folder == completedFolder:
		o.id, ok = parsePadded[ID](file)
	case folder == attemptsFolder:
		o.attempt, ok = parsePadded[AttemptID](file)
	default:
		ok = false
	}
	return o, ok
}

// parseNumber parses a number from 1 to maxNumber in the form that strconv writes.
func parseNumber[T ~uint64](s string) (T, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return T(n), err == nil && 0 < n && n <= maxNumber && strconv.FormatUint(n, 10) == s
}
