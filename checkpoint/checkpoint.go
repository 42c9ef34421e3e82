package checkpoint

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// Checkpoint is a complete checkpoint: what its metadata says.
type Checkpoint struct {
	Job     string
	ID      ID
	Attempt AttemptID
	// Triggered is when it was triggered.
	Triggered time.Time
	// Operators are ordered by name.
	Operators []Operator
}

// Operator is what the subtasks of one operator acknowledged.
type Operator struct {
	Name string
	// Parts has one for each subtask, in their order.
	Parts []Part
}

// Part is what one subtask acknowledged.
type Part struct {
	// Handle says what the subtask's backend wrote; nil if it has none.
	Handle *snapshot.Handle
	// Data is what else the subtask needs to go on, such as offsets, in a form
	// of its own.
	Data []byte
	// Inline are the contents of those files of Handle that are no objects, by
	// name.
	Inline map[string][]byte
}

// Operator returns the operator with a name.
func (c *Checkpoint) Operator(name string) (Operator, bool) {
	i, ok := slices.BinarySearchFunc(c.Operators, name, func(o Operator, name string) int {
		return strings.Compare(o.Name, name)
	})
	if !ok {
		return Operator{}, false
	}
	return c.Operators[i], true
}

// parts are those of all operators.
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

// Bytes are those of all files and other data.
func (c *Checkpoint) Bytes() (n int64) {
	for part := range c.parts() {
		n += int64(len(part.Data))
		if part.Handle != nil {
			n += part.Handle.Bytes()
		}
	}
	return n
}

// newBytes are those of Bytes that no checkpoint before has written.
func (c *Checkpoint) newBytes() int64 {
	n := c.Bytes()
	for f := range c.shared() {
		if o, _ := parseSharedName(f.Name); o.id != c.ID {
			n -= f.Size
		}
	}
	return n
}
