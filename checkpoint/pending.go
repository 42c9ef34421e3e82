package checkpoint

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// pending is a checkpoint in progress, from its trigger until it is complete or aborted. Its
// state, as drawn above Coordinator:
//
//	collecting   missing > 0
//	queued       missing == 0, !finishing, !over
//	writing      finishing, !inDoubt: the pack, then the metadata
//	committing   finishing, inDoubt
//	ended        over: complete, or aborted; aborted with inDoubt: its entry may exist
//
// Thread safety: the coordinator's mutex guards all fields except those that never change (id,
// base, attempt, triggered, ctx, cancel, confirmed, packs, release) and inDoubt, which the queue of
// commits owns until over is set.
type pending struct {
	id        ID
	base      ID
	attempt   *Attempt
	triggered time.Time
	ctx       context.Context // ends with the checkpoint; its cause is the reason
	cancel    context.CancelCauseFunc
	confirmed confirmedFiles // shared files of base; never changes
	packs     [2]*packWriter // of files of this checkpoint alone, and of shared ones; nil in a placeholder: see endedPending

	parts   map[subtaskID]Part
	missing int   // number of subtasks that have not acknowledged
	held    int64 // bytes taken from the memory budget for parts
	release func(int64)

	created   atomic.Bool // an object may have been created
	finishing bool        // finish is writing the metadata or the entry
	inDoubt   bool        // the entry may exist: only the completed store can tell
	over      bool        // complete or aborted
	outcome   *outcome    // nil if no TriggerAndWait waits for the end
}

// subtaskID identifies a subtask of an operator.
type subtaskID struct {
	operator string
	subtask  int
}

// releaseMemory returns the memory of the parts to the budget.
func (p *pending) releaseMemory() {
	p.release(p.held)
	p.held = 0
}

// packOf returns the writer of packs for shared files, or for others.
func (p *pending) packOf(shared bool) *packWriter {
	if shared {
		return p.packs[1]
	}
	return p.packs[0]
}

// checkpoint builds the Checkpoint from the acknowledged parts.
func (p *pending) checkpoint(job string) *Checkpoint {
	c := &Checkpoint{Job: job, ID: p.id, Attempt: p.attempt.number, Triggered: p.triggered}
	for _, s := range p.attempt.subtasks {
		operator := Operator{Name: s.Operator}
		for i := range s.Parallelism {
			operator.Parts = append(operator.Parts, p.parts[subtaskID{s.Operator, i}])
		}
		c.Operators = append(c.Operators, operator)
	}
	slices.SortFunc(c.Operators, func(a, b Operator) int { return strings.Compare(a.Name, b.Name) })
	c.Packs = packsOf(c.Operators, p.packs[0].sizes, p.packs[1].sizes, p.confirmed.packs)
	return c
}
