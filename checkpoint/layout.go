package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirstate/weir/snapshot"
)

// layout names the objects of a job: see docs/format-checkpoint.md.
type layout struct{ job string }

const (
	metadataName = "_metadata"
	sharedFolder = "shared"
)

// root begins the names of all that a job has.
func (l layout) root() string { return l.job + "/" }

// folder begins the names of what belongs to one checkpoint alone.
func (l layout) folder(id ID) string { return fmt.Sprintf("%s/chk-%d/", l.job, id) }

func (l layout) metadata(id ID) string { return l.folder(id) + metadataName }

// fileName is the name in the folder of a checkpoint with which a subtask begins
// the names of its files. An attempt's differ from those of all others.
func fileName(a AttemptID, at place) string {
	return fmt.Sprintf("%d-%s-%d", a, at.operator, at.subtask)
}

// shared begins the names of what may belong to several checkpoints.
func (l layout) shared() string { return l.root() + sharedFolder + "/" }

// object is the name of the object of a file of a checkpoint.
func (l layout) object(id ID, f snapshot.FileRef) string {
	if f.Shared {
		return l.shared() + f.Name
	}
	return l.folder(id) + f.Name
}

// sharedName begins the names of the files that a subtask shares. They differ from
// those of every other checkpoint and attempt, and from names in a folder.
func sharedName(id ID, a AttemptID, at place) string {
	return fmt.Sprintf("s%d-%s", id, fileName(a, at))
}

// parseSharedName says which checkpoint and attempt has written a shared file.
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
	o.id, ok = parseNumber[ID](parts[0])
	var isAttempt bool
	o.attempt, isAttempt = parseNumber[AttemptID](parts[1])
	return o, ok && isAttempt
}

// owner is whom an object belongs to.
type owner struct {
	id      ID        // of a checkpoint; 0 for the record of an attempt
	attempt AttemptID // 0 for what any attempt may have written
	shared  bool      // other checkpoints may refer to it
}

// checkpointOf returns the checkpoint that a name is of, 0 if it is of none. What is
// in its folder need not have a name that Weir gives.
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

// isFolder reports whether a name is one that Weir gives to a folder of the job.
func (l layout) isFolder(name string) bool {
	folder, ok := strings.CutPrefix(name, l.root())
	return ok && (folder == completedFolder || folder == attemptsFolder || folder == sharedFolder ||
		!strings.Contains(folder, "/") && l.checkpointOf(name) != 0)
}

// ownerOf reads an object's name, ok false if it is not one that Weir gives.
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

// parseNumber reads a number from 1 to maxNumber as strconv writes it.
func parseNumber[T ~uint64](s string) (T, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return T(n), err == nil && 0 < n && n <= maxNumber && strconv.FormatUint(n, 10) == s
}
