package checkpoint

import (
	"context"
	"slices"
	"strings"
	"time"
)

// pending is a checkpoint under way.
//
// Thread safety: the coordinator's mutex, but for what never changes and for
// inDoubt, which belongs to the queue of commits until over is set.
type pending struct {
	id        ID
	base      ID
	attempt   *Attempt
	triggered time.Time
	ctx       context.Context // ends with the checkpoint
	cancel    context.CancelCauseFunc
	confirmed sharedFiles // of the base; never changes

	parts   map[place]Part
	missing int   // parts that have not come
	held    int64 // bytes taken from the memory budget
	release func(int64)

	finishing bool // metadata or commit are being written
	inDoubt   bool // whether it is complete, only the completed store can tell
	over      bool
	outcome   *outcome // nil: nobody waits for the end
}

// place is a subtask of an operator.
type place struct {
	operator string
	subtask  int
}

// forget gives the memory of the parts back to the budget.
func (p *pending) forget() {
	p.release(p.held)
	p.held = 0
}

// checkpoint puts the parts together.
func (p *pending) checkpoint(job string) *Checkpoint {
	c := &Checkpoint{Job: job, ID: p.id, Attempt: p.attempt.number, Triggered: p.triggered}
	for _, s := range p.attempt.subtasks {
		operator := Operator{Name: s.Operator}
		for i := range s.Parallelism {
			operator.Parts = append(operator.Parts, p.parts[place{s.Operator, i}])
		}
		c.Operators = append(c.Operators, operator)
	}
	slices.SortFunc(c.Operators, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	return c
}
