package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstate/weir/snapshot"
)

// CheckDeclared returns an error if no checkpoint of the attempt can become complete
// because of what its subtasks have declared, whatever their states hold: ErrTooLarge
// if the metadata cannot, ErrFrameTooLarge or ErrMemoryFull if the memory of the storage
// cannot hold that alone, and ErrInvalid for states that metadata does not take. It is
// ErrInvalidOption if an operator has another number of handles than subtasks. A job asks before
// the first element, since the first checkpoint may be long after it.
//
// Handles are those of operators with backends, one for each subtask in their order,
// with keyspace and states.
func (a *Attempt) CheckDeclared(handles map[string][]snapshot.Handle) error {
	c := &Checkpoint{Job: a.c.o.Job, ID: maxNumber, Attempt: a.number}
	for name, all := range handles {
		if !a.has(place{name, len(all) - 1}) || a.has(place{name, len(all)}) {
			return fmt.Errorf("declared states: %d handles of operator %q, want one for each subtask: %w", len(all), name, ErrInvalidOption)
		}
	}
	for _, s := range a.subtasks {
		operator := Operator{Name: s.Operator, Parts: make([]Part, s.Parallelism)}
		for i, h := range handles[s.Operator] {
			operator.Parts[i] = a.declaredPart(place{s.Operator, i}, h)
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

// declaredPart is the least that a subtask can hand in: with a single file.
func (a *Attempt) declaredPart(at place, h snapshot.Handle) Part {
	h.Files = []snapshot.FileRef{{Name: fileName(a.number, at), Bounds: h.Keyspace.Groups}}
	return Part{Handle: &h}
}

// checkParts says why memory cannot hold the parts of a checkpoint at a time.
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
