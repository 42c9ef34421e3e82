package checkpoint

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirstate/weir/vfs/vfstest"
)

// simAction is a step of a simulation.
type simAction struct {
	name   string
	weight int
	// within reports whether the action may interrupt an operation on objects; inStore
	// whether also one of the completed store, which runs one operation at a time.
	within, inStore bool
	run             func(*simulation)
	possible        func(*simulation) bool // nil for always
	// inPackWaits reports whether the action would wait for an operation on a pack to end, and so
	// cannot interrupt it.
	inPackWaits bool
}

// simActions lists first the actions that bring checkpoints forward: rapid draws low numbers
// more often.
var simActions = []simAction{
	{"barrier", 24, true, true, (*simulation).actBarrier, (*simulation).hasBarrier, false},
	{"half", 20, true, true, (*simulation).actHalf, (*simulation).hasUnwritten, true},
	{"acknowledge", 20, true, true, (*simulation).actAcknowledge, (*simulation).hasWritten, false},
	{"queue", 20, true, false, (*simulation).actQueue, (*simulation).hasQueued, true},
	{"begin again", 20, false, false, (*simulation).actBegin, (*simulation).isDown, false},
	{"flow", 14, false, false, (*simulation).actFlow, (*simulation).hasAttempt, false},
	{"trigger", 6, true, true, (*simulation).actTrigger, (*simulation).hasAttempt, false},
	{"write", 6, true, true, (*simulation).actWrite, nil, false},
	{"time passes", 5, true, true, (*simulation).actTime, nil, false},
	{"fault", 6, false, false, (*simulation).actFault, (*simulation).hasAttempt, false},
	{"begin", 2, false, false, (*simulation).actBegin, nil, false},
	{"crash", 1, false, false, (*simulation).actCrash, (*simulation).hasAttempt, false},
	{"decline", 1, true, true, (*simulation).actDecline, nil, false},
	{"stale", 1, true, true, (*simulation).actStale, nil, false},
	{"end", 1, true, true, (*simulation).actEnd, (*simulation).hasAttempt, false},
	{"collect", 1, true, false, (*simulation).actCollect, (*simulation).hasAttempt, false},
	{"restart", 1, false, false, (*simulation).actRestart, (*simulation).hasAttempt, false},
}

// hasAttempt reports whether an attempt has begun in this process; isDown whether none runs.
func (s *simulation) hasAttempt() bool { return s.attempt != nil }
func (s *simulation) isDown() bool     { return s.attempt == nil || s.attempt.ended() }

func (s *simulation) hasBarrier() bool   { return slices.ContainsFunc(s.tasks, s.awaits) }
func (s *simulation) hasUnwritten() bool { return slices.ContainsFunc(s.parts, (*simPart).isUnwritten) }
func (s *simulation) hasWritten() bool   { return slices.ContainsFunc(s.parts, (*simPart).isWritten) }
func (s *simulation) hasQueued() bool {
	return s.runners[0] != nil || s.runners[1] != nil || s.runners[2] != nil
}

// awaits reports whether a barrier is on its way to a subtask.
func (s *simulation) awaits(t *simTask) bool { return t.seen < len(s.witness.triggered) }

func (p *simPart) isUnwritten() bool { return !p.written }

// isWritten reports whether a part can be acknowledged, or has failed.
func (p *simPart) isWritten() bool {
	return p.written && (p.frozen.view == nil || p.handle != nil || p.err != nil)
}

// step runs one action, and starts a new process if the old one died.
func (s *simulation) step() {
	a := s.pick(func(simAction) bool { return true })
	s.logf("- %s", a.name)
	a.run(s)
	if s.dead() {
		s.reboot()
	}
}

// pick draws an action by weight.
func (s *simulation) pick(allowed func(simAction) bool) simAction {
	var fit []simAction
	total := 0
	for _, a := range s.actions {
		if allowed(a) && (a.possible == nil || a.possible(s)) {
			fit = append(fit, a)
			total += a.weight
		}
	}
	n, i := s.drawn.IntN(total), 0
	for n -= fit[0].weight; n >= 0; n -= fit[i].weight {
		i++
	}
	return fit[i]
}

// interrupt may run another action before or after an operation on an object.
func (s *simulation) interrupt(name string) {
	if s.quiet || s.dead() || s.depth > 1 || s.o.interruptHalvings == 0 || !s.drawn.Halved(s.o.interruptHalvings) {
		return
	}
	inStore, inPack := s.inStore, s.inPack
	s.inStore = s.inStore || strings.Contains(name, completedFolder) || strings.Contains(name, attemptsFolder)
	s.inPack = s.inPack || strings.Contains(name, "-"+packPrefix)
	defer func() { s.inStore, s.inPack = inStore, inPack }()
	a := s.pick(func(a simAction) bool {
		return a.within && (a.inStore || !s.inStore && !s.opening) && !(s.inPack && a.inPackWaits)
	})
	s.depth++
	defer func() { s.depth-- }()
	s.seen.Interrupts++
	s.logf("interrupted by: %s", a.name)
	a.run(s)
}

// choose draws one of the elements for which which returns true.
func choose[T any](s *simulation, from []T, which func(T) bool) (chosen T, ok bool) {
	var fit []T
	for _, x := range from {
		if which(x) {
			fit = append(fit, x)
		}
	}
	if len(fit) == 0 {
		return chosen, false
	}
	return fit[s.drawn.IntN(len(fit))], true
}

func (s *simulation) actWrite() {
	for _, t := range s.tasks {
		if err := t.write(modelKeys[s.drawn.IntN(len(modelKeys))], int64(s.drawn.IntN(4))); err != nil {
			s.violate("write: %v", err)
		}
	}
}

func (s *simulation) actTime() {
	s.now = s.now.Add(time.Duration(s.drawn.IntN(30_000)) * time.Millisecond)
	if s.attempt != nil {
		s.logf("nothing is due for %v", s.attempt.step())
	}
}

func (s *simulation) actTrigger() {
	id, err := s.attempt.Trigger()
	s.logf("trigger: %d %v", id, err)
	if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrEnded) {
		s.violate("trigger: %v", err)
	}
}

func (s *simulation) actBarrier() {
	t, ok := choose(s, s.tasks, s.awaits)
	if ok {
		s.barrier(t)
	}
}

func (s *simulation) actHalf() {
	if p, ok := choose(s, s.parts, (*simPart).isUnwritten); ok {
		s.write(p)
	}
}

// actAcknowledge acknowledges a written part. One in four may be acknowledged again later.
func (s *simulation) actAcknowledge() {
	p, ok := choose(s, s.parts, (*simPart).isWritten)
	if !ok {
		return
	}
	s.acknowledge(p)
	if !s.drawn.Halved(2) {
		s.parts = slices.DeleteFunc(s.parts, func(q *simPart) bool { return q == p })
	}
}

// actFlow runs several actions that bring checkpoints forward.
func (s *simulation) actFlow() {
	for range 2 + s.drawn.IntN(20) {
		a := s.pick(func(a simAction) bool {
			return slices.Contains([]string{"barrier", "half", "acknowledge", "queue", "write"}, a.name)
		})
		a.run(s)
		if s.dead() || s.violation != nil {
			return
		}
	}
}

func (s *simulation) actDecline() {
	if p, ok := choose(s, s.parts, func(*simPart) bool { return true }); ok {
		s.logf("decline %d of %v", p.key.id, p.task)
		p.upload.Decline(errors.New("the subtask is not able to"))
	}
}

func (s *simulation) actQueue() {
	i, ok := choose(s, []int{0, 1, 2}, func(i int) bool { return s.runners[i] != nil })
	if ok {
		s.runQueue(i)
	}
}

// actStale calls an earlier attempt, which must have no effect.
func (s *simulation) actStale() {
	if s.old == nil {
		return
	}
	if _, err := s.old.Trigger(); !errors.Is(err, ErrFenced) {
		s.violate("an earlier attempt triggers: %v", err)
	}
	s.old.step()
	s.old.End()
	for id := range s.newest + 3 {
		u := s.old.Upload(id, modelSource, 0)
		u.Decline(errors.New("too late"))
		if err := u.Acknowledge(nil, nil); !errors.Is(err, ErrFenced) {
			s.violate("an earlier attempt acknowledges: %v", err)
		}
	}
}

func (s *simulation) actEnd() {
	s.attempt.End()
}

func (s *simulation) actCollect() {
	dryRun := s.drawn.Halved(1)
	orphans, err := s.c.Collect(context.Background(), dryRun)
	s.logf("collect, dry %v: %d %v", dryRun, len(orphans), err)
	if err != nil && !expected(err) && !errors.Is(err, ErrInvalidOption) {
		s.violate("collect: %v", err)
	}
}

func (s *simulation) actBegin() {
	_ = s.begin(modelOperators(1+s.drawn.IntN(3), 1+s.drawn.IntN(2), 1+s.drawn.IntN(2)))
}

func (s *simulation) actRestart() {
	s.close()
}

// actFault makes some later operations fail.
func (s *simulation) actFault() {
	f := simFaults{after: s.drawn.IntN(20), count: 1}
	if s.drawn.Halved(2) {
		f.count += s.drawn.IntN(20)
	}
	if s.o.memory || s.drawn.Halved(1) {
		f.err = errInjected
		s.objFailing = f
	} else {
		f.err = []error{syscall.EIO, syscall.ENOSPC, vfstest.ShortWrite(syscall.EIO)}[s.drawn.IntN(3)]
		s.failing = f
	}
	s.logf("after %d operations %d will fail: %v", f.after, f.count, f.err)
}

// actCrash makes the process die after some operations on the disk. The machine may keep
// running, or lose its power and keep nothing, some or all of the data that was not synced.
func (s *simulation) actCrash() {
	if s.disk == nil {
		return
	}
	s.crashAfter = s.drawn.IntN(40)
	keep, seed := float64(s.drawn.IntN(3))/2, uint64(s.drawn.IntN(1<<20))
	power := !s.drawn.Halved(2)
	s.crash = func() *vfstest.Mem {
		if !power {
			return s.disk.mem
		}
		return s.disk.mem.CrashClone(vfstest.CrashOptions{Keep: keep, Rand: rand.New(rand.NewPCG(seed, 0))})
	}
	s.logf("the process will die after %d operations, power cut %v, keep %v", s.crashAfter, power, keep)
}
