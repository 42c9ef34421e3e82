package checkpoint

import (
	"context"
	"errors"
)

// scriptOptions are those of the script: every file is an object, and there is a
// second checkpoint to be kept.
var scriptOptions = simOptions{
	Options:     Options{MaxConcurrent: 2, Retain: 2, TolerableFailures: 100},
	inlineBytes: -1,
}

// script takes a job through all that happens to checkpoints: some complete,
// retention drops some, one is aborted, an attempt begins in the same process and
// one in the next, at other parallelisms, with a checkpoint under way each time.
// Whatever fails on the way is left at that.
func (s *simulation) script() {
	for _, step := range []func(){
		s.attemptAt(2, 1, 1), s.take, s.take, s.take, s.takeInVain,
		s.leave, s.attemptAt(3, 2, 1), s.take,
		s.leave, s.restart, s.attemptAt(1, 2, 2), s.take, s.collect,
	} {
		if s.violation == nil && !s.dead() {
			step()
		}
	}
}

// attemptAt begins an attempt, at the second try if need be.
func (s *simulation) attemptAt(counts, sums, source int) func() {
	return func() {
		operators := modelOperators(counts, sums, source)
		if s.begin(operators) != nil {
			_ = s.begin(operators)
		}
		s.settle()
	}
}

func (s *simulation) restart() {
	if s.c != nil {
		s.settle()
		s.close()
	}
}

// work changes the state of all subtasks.
func (s *simulation) work() {
	for i, key := range modelKeys {
		for _, t := range s.tasks {
			if err := t.write(key, int64(i+s.reported)%3); err != nil {
				s.violate("write: %v", err)
			}
		}
	}
}

// begun triggers a checkpoint and takes the barriers to all subtasks.
func (s *simulation) begun() bool {
	s.work()
	if s.attempt == nil || s.tasks == nil {
		return false
	}
	if _, err := s.attempt.Trigger(); err != nil {
		return false
	}
	s.settle()
	s.parts = nil
	for _, t := range s.tasks {
		for t.seen < len(s.witness.triggered) {
			s.barrier(t)
		}
	}
	return true
}

// take takes a checkpoint.
func (s *simulation) take() {
	if !s.begun() {
		return
	}
	for _, p := range s.parts {
		s.write(p)
		s.acknowledge(p)
	}
	s.settle()
}

// takeInVain takes one of which the last subtask declines.
func (s *simulation) takeInVain() {
	if !s.begun() {
		return
	}
	last := len(s.parts) - 1
	for _, p := range s.parts[:last] {
		s.write(p)
		s.acknowledge(p)
	}
	s.parts[last].upload.Decline(errors.New("the subtask is not able to"))
	s.settle()
}

// leave begins a checkpoint and writes half of it.
func (s *simulation) leave() {
	if !s.begun() {
		return
	}
	for _, p := range s.parts[:len(s.parts)/2] {
		s.write(p)
		s.acknowledge(p)
	}
}

func (s *simulation) collect() {
	if s.attempt == nil {
		return
	}
	if _, err := s.c.Collect(context.Background(), false); err != nil {
		_ = s.refuse("collect", err)
	}
}
