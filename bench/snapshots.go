package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// snapshots takes a snapshot of a job every so often, one at a time, and keeps
// the newest that is complete.
//
// Thread safety: the task's goroutine only.
type snapshots struct {
	dir     *snapshot.Directory
	options snapshot.Options // but for the name
	every   time.Duration

	next     time.Time // when one is due
	started  int
	running  *jobSnapshot // nil if there is none
	complete *jobSnapshot // nil until there is one

	// For the table.
	count  int
	pauses []time.Duration // how long the task stood still for each
}

// position is how far a job has come: all that there is besides the state of
// its operators.
type position struct {
	flights int64 // read from the input
	reports int   // sent
}

// jobSnapshot is a snapshot of every operator at one position. It is complete
// when all its parts are.
type jobSnapshot struct {
	at    position
	begun time.Time
	took  time.Duration // from beginning to end, once complete
	parts []part
}

// part is the snapshot of one operator.
type part struct {
	name    string // of the file
	running *snapshot.Running
	handle  snapshot.Handle // once complete
}

func newSnapshots(dir string, every time.Duration, o snapshot.Options) (*snapshots, error) {
	d, err := snapshot.NewDirectory(dir)
	if err != nil {
		return nil, err
	}
	return &snapshots{dir: d, options: o, every: every, next: time.Now().Add(every)}, nil
}

// poll takes note of a snapshot that has ended and starts one that is due.
func (s *snapshots) poll(ctx context.Context, j *job, at position) error {
	if s.running != nil {
		if err := s.settle(); err != nil {
			return err
		}
	}
	if s.running != nil || time.Now().Before(s.next) {
		return nil
	}
	err := s.start(ctx, j, at)
	// Counted from here, so that a task which waits for its snapshots goes on
	// in between, however long they take.
	s.next = time.Now().Add(s.every)
	return err
}

// start takes the synchronous half of a snapshot: the task stands still.
func (s *snapshots) start(ctx context.Context, j *job, at position) error {
	s.started++
	s.running = &jobSnapshot{at: at, begun: time.Now()}
	for _, op := range j.operators() {
		o := s.options
		o.Name = fmt.Sprintf("%s-%d", op.name, s.started)
		running, err := snapshot.Start(ctx, op.backend, s.dir, o)
		if err != nil {
			return errors.Join(err, s.abandon())
		}
		s.running.parts = append(s.running.parts, part{name: o.Name, running: running})
	}
	s.pauses = append(s.pauses, time.Since(s.running.begun))
	return nil
}

// settle completes the running snapshot if its last part has ended, and removes
// the one before.
func (s *snapshots) settle() error {
	for i := range s.running.parts {
		select {
		case <-s.running.parts[i].running.Done():
		default:
			return nil
		}
	}
	for i := range s.running.parts {
		p := &s.running.parts[i]
		var err error
		if p.handle, err = p.running.Wait(); err != nil {
			return errors.Join(err, s.abandon())
		}
	}
	old := s.complete
	s.complete, s.running = s.running, nil
	s.complete.took = time.Since(s.complete.begun)
	s.count++
	return s.remove(old)
}

// awaitFirst waits for the running snapshot if none is complete yet.
func (s *snapshots) awaitFirst() error {
	if s.complete != nil || s.running == nil {
		return nil
	}
	for _, p := range s.running.parts {
		<-p.running.Done()
	}
	return s.settle()
}

// abandon ends the running snapshot, if there is one, and leaves nothing of it.
func (s *snapshots) abandon() error {
	unfinished := s.running
	if unfinished == nil {
		return nil
	}
	s.running = nil
	for _, p := range unfinished.parts {
		p.running.Cancel()
	}
	for _, p := range unfinished.parts {
		<-p.running.Done()
	}
	return s.remove(unfinished)
}

// remove removes the files of a snapshot, those that are there.
func (s *snapshots) remove(old *jobSnapshot) (err error) {
	if old == nil {
		return nil
	}
	for _, p := range old.parts {
		if failed := s.dir.Remove(p.name); !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// errNothingToRestore is returned when a job failed before its first snapshot.
var errNothingToRestore = errors.New("the input ended before a snapshot was due: take them more often (-snapshot-every) or read more (-records)")

// restore loads the newest complete snapshot, which there must be, into a job
// that has just been opened, and says where to go on.
func (s *snapshots) restore(ctx context.Context, j *job) (position, error) {
	for i, op := range j.operators() {
		handles := []snapshot.Handle{s.complete.parts[i].handle}
		if _, err := snapshot.Restore(ctx, op.backend, s.dir, handles, snapshot.RestoreOptions{}); err != nil {
			return position{}, fmt.Errorf("operator %s: %w", op.name, err)
		}
	}
	return s.complete.at, nil
}

// size is what the snapshot takes in files, and how many rows are in them.
func (s *jobSnapshot) size() (bytes, rows int64) {
	for _, p := range s.parts {
		bytes += p.handle.Bytes()
		rows += p.handle.Rows
	}
	return bytes, rows
}
