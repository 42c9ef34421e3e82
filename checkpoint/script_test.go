package checkpoint

import (
	"context"
	"errors"
)

// scriptOptions are the options of the script. Two checkpoints are retained, and no file is in the
// metadata.
var scriptOptions = map[string]simOptions{
	"every file is an object": {
		Options:     Options{MaxConcurrent: 2, Retain: 2, TolerableFailures: 100},
		inlineBytes: -1,
	},
	"several packs": { // large files are objects
		Options:     Options{MaxConcurrent: 2, Retain: 2, TolerableFailures: 100},
		inlineBytes: -1, packBytes: 180, packCutBytes: 200,
	},
}

// script takes a job through all events of checkpoints: some complete, retention removes some,
// one is aborted, an attempt begins in the same process and one in the next, at other
// parallelisms, each time with a checkpoint in progress. Errors do not stop it.
func (s *simulation) script() {
	for _, step := range []func(){
		s.attemptAt(2, 1, 1), s.take, s.take, s.take, s.takeDeclined,
		s.leave, s.attemptAt(3, 2, 1), s.take,
		s.leave, s.restart, s.attemptAt(1, 2, 2), s.take, s.collect,
	} {
		if s.violation == nil && !s.dead() {
			step()
		}
	}
}

// attemptAt begins an attempt, and tries again once after an error.
func (s *simulation) attemptAt(counts, sums, source int) func() {
	return func() {
		operators := modelOperators(counts, sums, source)
		if s.begin(operators) != nil {
			_ = s.begin(operators)
		}
		s.runQueued()
	}
}

func (s *simulation) restart() {
	if s.c != nil {
		s.runQueued()
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

// begun triggers a checkpoint and delivers its barrier to all subtasks. It reports whether that
// succeeded.
func (s *simulation) begun() bool {
	s.work()
	if s.attempt == nil || s.tasks == nil {
		return false
	}
	if _, err := s.attempt.Trigger(); err != nil {
		return false
	}
	s.runQueued()
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
	s.runQueued()
}

// takeDeclined takes a checkpoint that the last subtask declines.
func (s *simulation) takeDeclined() {
	if !s.begun() {
		return
	}
	last := len(s.parts) - 1
	for _, p := range s.parts[:last] {
		s.write(p)
		s.acknowledge(p)
	}
	s.parts[last].upload.Decline(errors.New("the subtask is not able to"))
	s.runQueued()
}

// leave starts a checkpoint and acknowledges half of its parts.
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
