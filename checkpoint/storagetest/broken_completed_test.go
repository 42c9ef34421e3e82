package storagetest

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/weirstate/weir/checkpoint"
)

// brokenCompleted holds the faults of mapStore and the checks that must find them.
var brokenCompleted = []struct{ fault, promise string }{
	{"attempts begin at 1 again", "Begin returns ascending attempts, also after the store is opened again"},
	{"nothing is fenced", "Begin fences the commits of earlier attempts"},
	{"fences are forgotten by Close", "Begin fences the commits of earlier attempts"},
	{"fences are in memory of one owner", "Begin fences the store that is still open elsewhere, or a lock keeps the second out"},
	{"the checksum is cut to 32 bits", "a committed entry is listed with all its fields, also after the store is opened again"},
	{"List is ordered by text", "List is ordered by ID"},
	{"Commit replaces the entry", "Commit of a taken ID is fs.ErrExist and keeps the first entry"},
	{"Commit looks, then writes", "of concurrent commits of an ID exactly one succeeds"},
	{"Begin looks, then writes", "concurrent Begins return different attempts"},
	{"Remove of a missing entry fails", "Remove removes one entry and accepts a missing one"},
	{"Remove removes the older entries too", "Remove removes one entry and accepts a missing one"},
	{"entries are not validated", "Commit of an invalid entry is ErrInvalid"},
	{"Close removes the entries", "Close removes nothing, and a closed store returns ErrClosed"},
	{"a closed store works", "Close removes nothing, and a closed store returns ErrClosed"},
	{"contexts are ignored", "a canceled context ends an operation with its cause and no effect"},
	{"all jobs are one", "jobs share nothing"},
	{"List returns 50 entries", "a store holds many entries"},
	{"List is empty after a restart", "a job completes and restores checkpoints"},
	{"a removed ID stays taken", "random programs have the same results as with a map"},
}

// mapStore is a completed store in memory with at most one fault.
type mapStore struct {
	fault string
	*mapJob
	own    checkpoint.AttemptID // the newest attempt of this owner
	closed bool
}

// mapJob is what all stores of a job share.
type mapJob struct {
	mu      sync.Mutex
	begun   checkpoint.AttemptID
	entries map[checkpoint.ID]checkpoint.Entry
	removed map[checkpoint.ID]bool
}

// mapStores returns an opener of stores with a fault, or sound ones if fault is empty. Several
// may be open for one job.
func mapStores(fault string) CompletedOpener {
	jobs := make(map[string]*mapJob)
	return func(_ testing.TB, job string) (checkpoint.Completed, error) {
		if fault == "all jobs are one" {
			job = ""
		}
		if jobs[job] == nil {
			jobs[job] = &mapJob{entries: make(map[checkpoint.ID]checkpoint.Entry), removed: make(map[checkpoint.ID]bool)}
		}
		j := jobs[job]
		switch fault {
		case "attempts begin at 1 again", "fences are forgotten by Close":
			if len(j.entries) > 0 || fault == "attempts begin at 1 again" {
				j.begun = 0
			}
		case "List is empty after a restart":
			clear(j.entries)
		}
		return &mapStore{fault: fault, mapJob: j}, nil
	}
}

// check locks the job. It returns an error if the store is closed or the context has ended.
func (s *mapStore) check(ctx context.Context) error {
	s.mu.Lock()
	switch {
	case s.closed && s.fault != "a closed store works":
		return checkpoint.ErrClosed
	case ctx.Err() != nil && s.fault != "contexts are ignored":
		return context.Cause(ctx)
	}
	return nil
}

// pause lets other goroutines take the lock of the job.
func (s *mapStore) pause() {
	s.mu.Unlock()
	for range 1000 {
		runtime.Gosched()
	}
	s.mu.Lock()
}

func (s *mapStore) Begin(ctx context.Context) (checkpoint.AttemptID, error) {
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	next := s.begun + 1
	if s.fault == "Begin looks, then writes" {
		s.pause()
	}
	s.begun, s.own = next, next
	return next, nil
}

func (s *mapStore) Commit(ctx context.Context, e checkpoint.Entry) error {
	if err := e.Validate(); err != nil && s.fault != "entries are not validated" {
		return err
	}
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	newest := s.begun
	if s.fault == "fences are in memory of one owner" {
		newest = s.own
	}
	_, taken := s.entries[e.ID]
	switch {
	case s.fault == "Commit looks, then writes":
		s.pause()
	case s.fault == "a removed ID stays taken":
		taken = taken || s.removed[e.ID]
	case s.fault == "the checksum is cut to 32 bits":
		e.Checksum &= 1<<32 - 1
	}
	switch {
	case newest > e.Attempt && s.fault != "nothing is fenced":
		return checkpoint.ErrFenced
	case taken && s.fault != "Commit replaces the entry":
		return fs.ErrExist
	}
	s.entries[e.ID] = e
	return nil
}

func (s *mapStore) List(ctx context.Context) ([]checkpoint.Entry, error) {
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	entries := slices.SortedFunc(maps.Values(s.entries), func(a, b checkpoint.Entry) int { return cmp.Compare(a.ID, b.ID) })
	switch {
	case s.fault == "List is ordered by text":
		slices.SortFunc(entries, func(a, b checkpoint.Entry) int { return cmp.Compare(a.ID%10, b.ID%10) })
	case s.fault == "List returns 50 entries":
		entries = entries[:min(len(entries), 50)]
	}
	return entries, nil
}

func (s *mapStore) Remove(ctx context.Context, id checkpoint.ID) error {
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	_, found := s.entries[id]
	switch {
	case s.fault == "Remove of a missing entry fails" && !found:
		return fs.ErrNotExist
	case s.fault == "Remove removes the older entries too":
		maps.DeleteFunc(s.entries, func(other checkpoint.ID, _ checkpoint.Entry) bool { return other < id })
	}
	delete(s.entries, id)
	s.removed[id] = found || s.removed[id]
	return nil
}

func (s *mapStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == "Close removes the entries" {
		clear(s.entries)
	}
	s.closed = true
	return nil
}
