package checkpoint

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// Checkpoint is the decoded metadata of a complete checkpoint.
type Checkpoint struct {
	// Job is the name of the job.
	Job string
	// ID is the number of the checkpoint.
	ID ID
	// Attempt is the attempt that took the checkpoint.
	Attempt AttemptID
	// Triggered is the time of the trigger.
	Triggered time.Time
	// Operators holds the operators, ordered by name.
	Operators []Operator
	// Packs holds the packs in which files of the checkpoint lie, ordered by name.
	Packs []Pack
}

// Pack is an object that contains several files of the checkpoint that wrote it.
type Pack struct {
	// Name is the name of the object, without its folder.
	Name string
	// Bytes is the size of the object.
	Bytes int64
}

// Place is the position of a file in a pack.
type Place struct {
	// Pack is the name of the pack.
	Pack string
	// Offset is the position of the file's first byte.
	Offset int64
}

// Operator holds the acknowledgements of all subtasks of one operator.
type Operator struct {
	// Name is the name of the operator.
	Name string
	// Parts holds one Part per subtask, in the order of the subtasks.
	Parts []Part
}

// Part is the acknowledgement of one subtask.
type Part struct {
	// Handle describes the files that the subtask's backend wrote; nil if the subtask has no
	// backend.
	Handle *snapshot.Handle
	// Data holds the subtask's other data, such as source offsets, in a format of the subtask's
	// choice.
	Data []byte
	// Inline holds, by file name, the contents of those files of Handle that are stored in the
	// metadata and not as objects.
	Inline map[string][]byte
	// Packed holds, by file name, the places of those files of Handle that lie in packs.
	Packed map[string]Place
}

// Operator returns the operator with the given name. It returns false if the checkpoint does not
// have it.
func (c *Checkpoint) Operator(name string) (Operator, bool) {
	i, ok := slices.BinarySearchFunc(c.Operators, name, func(o Operator, name string) int {
		return strings.Compare(o.Name, name)
	})
	if !ok {
		return Operator{}, false
	}
	return c.Operators[i], true
}

// parts yields the parts of all operators.
func (c *Checkpoint) parts() iter.Seq[Part] {
	return func(yield func(Part) bool) {
		for _, operator := range c.Operators {
			for _, part := range operator.Parts {
				if !yield(part) {
					return
				}
			}
		}
	}
}

// Bytes returns the size in bytes of all files and other data. Shared files count once per
// handle that lists them.
func (c *Checkpoint) Bytes() (n int64) {
	for part := range c.parts() {
		n += int64(len(part.Data))
		if part.Handle != nil {
			n += part.Handle.Bytes()
		}
	}
	return n
}

// newBytes returns the part of Bytes that no earlier checkpoint has written.
func (c *Checkpoint) newBytes() int64 {
	n := c.Bytes()
	for f := range c.shared() {
		if o, _ := parseSharedName(f.Name); o.id != c.ID {
			n -= f.Size
		}
	}
	return n
}
