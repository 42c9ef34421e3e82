package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs/vfstest"
)

const simJob = "job"

// errInjected is the error of an operation on objects that a simulation makes fail. The
// operation may have taken effect all the same.
var errInjected = errors.New("injected")

// simOptions are the options of a simulation.
type simOptions struct {
	Options
	memory      bool // storage in memory instead of files
	inlineBytes int64
	// packBytes and packCutBytes are the limits for files in packs and for packs; 0 for no packs.
	// Objects then have all optional methods of object stores.
	packBytes, packCutBytes int64
	// interruptHalvings sets how often an operation on objects is interrupted by another
	// action: with a probability of 1/2 to this power; 0 for never.
	interruptHalvings int
}

// simulation runs a model job under a coordinator, on a disk that may fail, in processes that
// may die. Everything runs on one goroutine, so that the drawn numbers decide the whole run. It
// compares the calls of Tasks and the restored state with the model.
//
// Thread safety: one goroutine.
type simulation struct {
	o       simOptions
	actions []simAction
	drawn   programs.Dice // zero if nothing is drawn: see quiet
	log     func(format string, args ...any)
	depth   int  // of actions that interrupt actions
	inStore bool // an operation of the completed store runs
	inPack  bool // an operation on a pack runs
	quiet   bool // no faults, interrupts or crashes any more
	opening bool // Begin, Close or Discard runs

	now        time.Time
	mem        *vfstest.Mem
	disk       *simDisk // of the newest process; nil before the first
	objects    *simObjects
	failing    simFaults // of operations on the disk
	objFailing simFaults // of operations on objects
	crashAfter int       // the process dies after this many operations; negative for never
	crash      func() *vfstest.Mem
	before     func() // called before each operation that changes the disk; may be nil

	c       *Coordinator // nil between processes
	runners [3]func()    // spawned by the queues: commits, removals, calls
	old     *Attempt     // the previous attempt
	attempt *Attempt
	witness *simWitness
	tasks   []*simTask
	parts   []*simPart

	checkpoints map[simKey]*simCheckpoint
	number      AttemptID // the newest attempt
	newest      ID        // newest checkpoint that was reported complete
	reported    int       // number of checkpoints that were reported complete
	seen        simStats
	violation   error
}

// simStats counts events of simulations, to check that they cover enough.
type simStats struct {
	Programs                                                          int
	Complete, Aborted, Crashes, Restored, InDoubt, Interrupts, Faults int
	Shared, Reused                                                    int // shared objects and reused references at the end
	Packs, Packed                                                     int // packs, and reused references to files in packs, at the end
}

func (s *simStats) add(o simStats) {
	s.Programs += o.Programs
	s.Complete += o.Complete
	s.Aborted += o.Aborted
	s.Crashes += o.Crashes
	s.Restored += o.Restored
	s.InDoubt += o.InDoubt
	s.Interrupts += o.Interrupts
	s.Faults += o.Faults
	s.Shared += o.Shared
	s.Reused += o.Reused
	s.Packs += o.Packs
	s.Packed += o.Packed
}

// simKey identifies a checkpoint. A later process may use an ID again if no object has it.
type simKey struct {
	id      ID
	attempt AttemptID
}

// simCheckpoint is the model's record of a checkpoint.
type simCheckpoint struct {
	was           *moment
	acknowledged  int
	ended, failed bool
}

// simTask is a subtask and the number of barriers that have reached it.
type simTask struct {
	*modelTask
	seen int
}

// simPart is a subtask's part of a checkpoint that is being written.
type simPart struct {
	key          simKey
	task         subtaskID
	upload       *Upload
	frozen       *frozenTask
	handle       *snapshot.Handle
	err          error
	written      bool
	acknowledged bool
}

// simFaults makes count operations fail, after the next ones have succeeded.
type simFaults struct {
	after, count int
	err          error
}

func (f *simFaults) next() error {
	switch {
	case f.after > 0:
		f.after--
	case f.count > 0:
		f.count--
		return f.err
	}
	return nil
}

func newSimulation(o simOptions, actions []simAction, log func(format string, args ...any)) *simulation {
	s := &simulation{
		o: o, actions: actions, log: log, now: time.Unix(1_700_000_000, 0), crashAfter: -1,
		checkpoints: make(map[simKey]*simCheckpoint),
	}
	s.o.Job = simJob
	s.o.now = func() time.Time { return s.now }
	s.o.spawn = func(func()) { s.violate("a queue runs before open has replaced its spawn") }
	if o.memory {
		s.o.Storage = NewMemory(MemoryOptions{})
		s.objects = &simObjects{Objects: s.o.Storage.objects, interrupt: s.interrupt, fault: s.objFailing.next}
		s.o.Storage.objects = s.objects
	} else {
		s.mem = vfstest.NewMem(vfstest.MemOptions{})
	}
	return s
}

func (s *simulation) violate(format string, args ...any) {
	if s.violation == nil {
		s.violation = fmt.Errorf(format, args...)
		s.logf("VIOLATION: %v", s.violation)
	}
}

func (s *simulation) logf(format string, args ...any) {
	if s.log != nil {
		s.log(strings.Repeat("    ", s.depth)+format, args...)
	}
}

// dead reports whether the process has died.
func (s *simulation) dead() bool { return s.disk != nil && s.disk.dead }

// expected reports whether the simulation caused an error.
func expected(err error) bool {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC, errInjected, errDead, errSync} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// diskFault returns the error with which an operation on the disk must fail.
func (s *simulation) diskFault(call vfstest.Call) error {
	err := s.failing.next()
	if err != nil {
		s.seen.Faults++
		s.logf("%v %s fails: %v", call.Op, call.Name, err)
	}
	return err
}

// dies reports whether the process dies before an operation on the disk.
func (s *simulation) dies(op vfstest.Op, name string) bool {
	if s.before != nil && op.Mutates() {
		s.before()
	}
	if s.quiet || s.crashAfter < 0 || !op.Mutates() {
		return false
	}
	if s.crashAfter--; s.crashAfter >= 0 {
		return false
	}
	s.seen.Crashes++
	s.logf("the process dies before %v %s", op, name)
	s.mem = s.crash()
	s.disk.kill()
	return true
}

// open starts a process: a coordinator on the objects of the previous one.
func (s *simulation) open() error {
	if !s.o.memory {
		s.disk = newSimDisk(s.mem, s.diskFault, s.dies)
		files, err := FilesOn(s.disk, "checkpoints")
		if err != nil {
			return err
		}
		s.objects = &simObjects{Objects: files, interrupt: s.interrupt, fault: s.objFailing.next}
		objects := Objects(s.objects)
		if s.o.packBytes > 0 {
			objects = simStore{s.objects, s.o.packBytes}
		}
		if s.o.Storage, err = NewStorage(objects, StorageOptions{InlineBytes: s.o.inlineBytes}); err != nil {
			return err
		}
		s.o.Storage.packCutBytes = s.o.packCutBytes
	}
	c, err := NewCoordinator(context.Background(), s.o.Options)
	if err != nil {
		return err
	}
	s.runners = [3]func(){}
	for i, q := range []*queue{c.commits, c.removals, c.calls} {
		q.spawn = func(run func()) { s.runners[i] = run }
	}
	s.c = c
	return nil
}

// fork returns a simulation with the same model on a disk as a power cut left it.
func (s *simulation) fork(mem *vfstest.Mem) *simulation {
	f := newSimulation(s.o, s.actions, nil)
	f.mem, f.now, f.number, f.newest, f.reported = mem, s.now, s.number, s.newest, s.reported
	maps.Copy(f.checkpoints, s.checkpoints)
	return f
}

// reboot drops the process that has died.
func (s *simulation) reboot() {
	s.c, s.disk, s.old, s.attempt, s.witness, s.tasks, s.parts = nil, nil, nil, nil, nil, nil, nil
	s.runners = [3]func(){}
	s.crashAfter = -1
}

// begin begins an attempt, in a new process if none runs, and compares the restored state with
// the model.
func (s *simulation) begin(operators []Subtasks) error {
	s.opening = true
	defer func() { s.opening = false }()
	if s.c == nil {
		if err := s.open(); err != nil {
			return s.refuse("open", err)
		}
	}
	w := &simWitness{s: s}
	a, err := s.c.Begin(context.Background(), w, operators)
	if err != nil {
		return s.refuse("begin", err)
	}
	if a.ID() <= s.number {
		s.violate("attempt %d after attempt %d", a.ID(), s.number)
	}
	s.number, s.old, s.attempt, s.witness, s.tasks = a.ID(), s.attempt, a, w, nil
	w.number = a.ID()
	if len(a.Skipped()) > 0 {
		s.violate("attempt %d passes over %v", a.ID(), a.Skipped())
	}
	return s.restore(operators)
}

// refuse reports a violation unless the simulation caused the error.
func (s *simulation) refuse(operation string, err error) error {
	if s.quiet || !expected(err) {
		s.violate("%s: %v", operation, err)
	}
	s.logf("%s: %v", operation, err)
	return err
}

// restore compares the restored checkpoint with the model and restores the subtasks.
func (s *simulation) restore(operators []Subtasks) error {
	restored, was := s.attempt.Restored(), (*moment)(nil)
	if restored != nil {
		cp := s.checkpoints[simKey{restored.ID, restored.Attempt}]
		if restored.ID < s.newest || cp == nil || cp.was.missing > 0 || cp.failed && cp.acknowledged == 0 {
			s.violate("attempt %d restores %d of attempt %d, newest complete is %d", s.number, restored.ID, restored.Attempt, s.newest)
			return nil
		}
		was = cp.was
		s.seen.Restored++
		if restored.ID > s.newest {
			s.seen.InDoubt++
		}
		s.witness.latest, s.witness.lastID = restored.ID, restored.ID
	} else if s.newest > 0 {
		s.violate("attempt %d begins anew, newest complete is %d", s.number, s.newest)
	}
	tasks, err := beginTasks(s.attempt.Source(), restored, was, operators)
	if err != nil {
		s.attempt.End()
		return s.refuse("restore", err)
	}
	for _, t := range tasks {
		s.tasks = append(s.tasks, &simTask{modelTask: t})
	}
	s.logf("attempt %d at %d with %d subtasks", s.number, s.witness.latest, len(tasks))
	return nil
}

// close closes the coordinator and ends the process.
func (s *simulation) close() {
	s.opening = true
	defer func() { s.opening = false }()
	if err := s.c.Close(); err != nil {
		_ = s.refuse("close", err)
	}
	if s.dead() {
		return
	}
	s.witness.checkAllEnded()
	s.reboot()
}

// runQueued runs all queued functions.
func (s *simulation) runQueued() {
	for s.violation == nil && s.runQueue(0) || s.runQueue(1) || s.runQueue(2) {
	}
}

// runQueue runs one function of a queue, if it has one and none runs.
func (s *simulation) runQueue(i int) bool {
	if s.c == nil || s.runners[i] == nil || []*queue{s.c.commits, s.c.removals, s.c.calls}[i].running {
		return false
	}
	run := s.runners[i]
	s.runners[i] = nil
	s.logf("queue of %s", []string{"commits", "removals", "calls"}[i])
	run()
	return true
}

// barrier delivers a barrier to a subtask, which takes a view of its state.
func (s *simulation) barrier(t *simTask) {
	key := simKey{s.witness.triggered[t.seen], s.number}
	t.seen++
	frozen, err := t.freeze()
	if err != nil {
		s.violate("%v: %v", t.subtaskID, err)
		return
	}
	s.checkpoints[key].was.add(t.modelTask)
	s.logf("barrier %d at %v", key.id, t.subtaskID)
	s.parts = append(s.parts, &simPart{
		key: key, task: t.subtaskID, frozen: frozen,
		upload: s.attempt.Upload(key.id, t.operator, t.subtask),
	})
}

// write writes the files of a part.
func (s *simulation) write(p *simPart) {
	p.written = true
	s.logf("write %d of %v", p.key.id, p.task)
	p.handle, p.err = p.frozen.write(p.upload)
}

// acknowledge acknowledges a part, or declines it if it could not be written.
func (s *simulation) acknowledge(p *simPart) {
	if p.err != nil {
		s.logf("decline %d of %v: %v", p.key.id, p.task, p.err)
		p.upload.Decline(p.err)
		return
	}
	err := p.upload.Acknowledge(p.handle, p.frozen.data)
	s.logf("acknowledge %d of %v: %v", p.key.id, p.task, err)
	if err != nil {
		return
	}
	if p.acknowledged || p.key.attempt != s.number || s.attempt.ended() {
		s.violate("%v has acknowledged %d of attempt %d twice or too late", p.task, p.key.id, p.key.attempt)
	}
	p.acknowledged = true
	s.checkpoints[p.key].acknowledged++
}

// end stops all faults and checks that the job continues, and that all objects are as expected.
func (s *simulation) end(operators []Subtasks) {
	s.quiet = true
	s.failing.count, s.objFailing.count = 0, 0
	if s.dead() {
		s.reboot()
	}
	s.logf("the end")
	for _, step := range []func(){
		func() { _ = s.begin(operators) },
		s.runQueued,
		s.completeOne,
		func() { _ = s.begin(operators) },
		s.runQueued,
		s.checkObjects,
		s.checkEntries,
		s.discard,
		s.close,
	} {
		if s.violation == nil {
			step()
		}
	}
}

// completeOne takes a checkpoint, which must become complete.
func (s *simulation) completeOne() {
	id, err := s.attempt.Trigger()
	if err != nil {
		s.violate("trigger: %v", err)
		return
	}
	s.runQueued()
	s.parts = nil
	for _, t := range s.tasks {
		s.barrier(t)
	}
	for _, p := range s.parts {
		s.write(p)
		s.acknowledge(p)
	}
	s.runQueued()
	if s.newest != id {
		s.violate("checkpoint %d is not complete though nothing failed", id)
	}
}

// checkObjects checks that only objects of complete checkpoints and records of attempts exist.
func (s *simulation) checkObjects() {
	ctx := context.Background()
	if _, err := s.c.Collect(ctx, false); err != nil {
		s.violate("collect: %v", err)
	}
	entries, err := s.c.completed.List(ctx)
	if err != nil {
		s.violate("list: %v", err)
	}
	objects, err := s.objects.List(ctx, "")
	if err != nil {
		s.violate("list: %v", err)
	}
	shared := make(map[string]bool)
	for _, e := range entries {
		c, err := s.c.read(ctx, e)
		if err != nil {
			s.violate("checkpoint %d: %v", e.ID, err)
			return
		}
		for name := range c.contents().shared {
			shared[s.c.layout.shared()+name] = true
		}
		for f, place := range c.shared() {
			if o, _ := parseSharedName(f.Name); o.id < e.ID {
				s.seen.Reused++
				if place.Pack != "" {
					s.seen.Packed++
				}
			}
		}
	}
	size := int64(0)
	for _, object := range objects {
		if object.isDirectory() {
			continue
		}
		size += object.Size
		o, ok := s.c.layout.ownerOf(object.Name)
		isComplete := slices.ContainsFunc(entries, func(e Entry) bool { return e.ID == o.id })
		if o.shared {
			isComplete = shared[object.Name]
			s.seen.Shared++
		}
		if o.pack {
			s.seen.Packs++
		}
		if !ok || o.id > 0 && !isComplete || object.Unfinished {
			s.violate("orphan %+v", object)
		}
	}
	if memory := s.o.Storage.memory; memory != nil && memory.usedBytes != size {
		s.violate("%d bytes of memory are taken for %d", memory.usedBytes, size)
	}
}

// checkEntries checks that every complete checkpoint restores to the model's state, and that
// Retain of them are kept.
func (s *simulation) checkEntries() {
	ctx := context.Background()
	entries, err := s.c.completed.List(ctx)
	if err != nil {
		s.violate("list: %v", err)
	}
	if len(entries) > s.o.Retain || len(entries) < min(s.reported, s.o.Retain) {
		s.violate("%d complete checkpoints are kept of %d, should be %d", len(entries), s.reported, s.o.Retain)
	}
	for _, e := range entries {
		c, err := s.c.load(ctx, e)
		if err != nil {
			s.violate("checkpoint %d: %v", e.ID, err)
			return
		}
		was := s.checkpoints[simKey{e.ID, e.Attempt}].was
		src := newSource(s.objects, s.c.layout, c)
		if _, err := beginTasks(src, c, was, modelOperators(1, 2, 1)); err != nil || was.missing > 0 {
			s.violate("checkpoint %d: %v", e.ID, err)
		}
	}
}

// discard removes all checkpoints and checks that nothing is left.
func (s *simulation) discard() {
	s.before = nil
	s.attempt.End()
	if err := s.c.Discard(context.Background()); err != nil {
		s.violate("discard: %v", err)
	}
	objects, err := s.objects.List(context.Background(), "")
	if err != nil {
		s.violate("list: %v", err)
	}
	for _, object := range objects {
		if o, ok := s.c.layout.ownerOf(object.Name); (!ok || o.id > 0) && !object.isDirectory() {
			s.violate("%q is left after everything has been discarded", object.Name)
		}
	}
}

// modelOperators returns the operators of the model job.
func modelOperators(counts, sums, source int) []Subtasks {
	return []Subtasks{{"counts", counts}, {"sums", sums}, {modelSource, source}}
}
