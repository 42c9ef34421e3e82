package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstate/weir/snapshot"
)

// CheckDeclared returns an error if the declared states alone make every checkpoint of the
// attempt impossible, however little they hold: ErrTooLarge if the metadata would exceed its
// limits, ErrFrameTooLarge or ErrMemoryFull if a storage in memory cannot hold it, and
// ErrInvalid for states that the format cannot store. A job calls it before the first element,
// since the first checkpoint may come much later.
//
// handles holds, by operator, one handle per subtask in the order of the subtasks, with
// Keyspace and States set. Operators without backends are left out. CheckDeclared returns
// ErrInvalidOption if the number of handles is not the operator's parallelism.
func (a *Attempt) CheckDeclared(handles map[string][]snapshot.Handle) error {
	c := &Checkpoint{Job: a.c.o.Job, ID: maxNumber, Attempt: a.number}
	for name, all := range handles {
		if !a.hasSubtask(subtaskID{name, len(all) - 1}) || a.hasSubtask(subtaskID{name, len(all)}) {
			return fmt.Errorf("declared states: operator %q has %d handles, want one per subtask: %w", name, len(all), ErrInvalidOption)
		}
	}
	for _, s := range a.subtasks {
		operator := Operator{Name: s.Operator, Parts: make([]Part, s.Parallelism)}
		for i, h := range handles[s.Operator] {
			operator.Parts[i] = a.declaredPart(subtaskID{s.Operator, i}, h)
		}
		c.Operators = append(c.Operators, operator)
	}
	slices.SortFunc(c.Operators, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	if err := c.validate(); err != nil {
		return fmt.Errorf("declared states: %w: %w", ErrInvalid, err)
	}
	if err := checkSize(c.size(tablesOf(c.parts()))); err != nil {
		return fmt.Errorf("declared states: %w", err)
	}
	return a.c.o.Storage.checkParts(c)
}

// declaredPart returns the smallest part that a subtask can acknowledge: a handle with a single
// empty file.
func (a *Attempt) declaredPart(at subtaskID, h snapshot.Handle) Part {
	h.Files = []snapshot.FileRef{{Name: fileName(a.number, at), Bounds: h.Keyspace.Groups}}
	return Part{Handle: &h}
}

// checkParts returns an error if a storage in memory cannot hold all parts of the checkpoint at
// the same time.
func (s *Storage) checkParts(c *Checkpoint) error {
	if s.memory == nil {
		return nil
	}
	total := int64(0)
	for _, operator := range c.Operators {
		for i, part := range operator.Parts {
			size, err := s.checkPart(part)
			if err != nil {
				return fmt.Errorf("declared states of %q, subtask %d: %w", operator.Name, i, err)
			}
			total += size
		}
	}
	if total > s.memory.limitBytes {
		return fmt.Errorf("declared states of all subtasks: %d bytes, limit %d: %w", total, s.memory.limitBytes, ErrMemoryFull)
	}
	return nil
}
