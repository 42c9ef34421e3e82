package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"path"
	"strconv"

	"github.com/weirstate/weir/checkpoint"
)

// openNew opens a completed store and refuses it if it has seen the job before. While it is open, no
// coordinator leads the job.
func openNew(ctx context.Context, url, job string) (checkpoint.Completed, error) {
	open, err := checkpoint.OpenCompleted(url)
	if err != nil {
		return nil, err
	}
	store, err := open(ctx, checkpoint.CompletedOptions{Job: job})
	if err != nil {
		return nil, err
	}
	checker, ok := store.(checkpoint.NewJobChecker)
	if !ok {
		return nil, errors.Join(errors.New("the completed store does not report whether it has seen the job"), store.Close())
	}
	isNew, err := checker.IsNewJob(ctx)
	if err == nil && !isNew {
		err = fmt.Errorf("the completed store has seen job %q before: remove the job there first", job)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// fill writes the list of complete checkpoints of a job to a completed store. It begins as many
// attempts as the job has begun: an entry is committed in its own attempt, and the next attempt of
// the job gets a number that no file has in its name.
func fill(ctx context.Context, store checkpoint.Completed, source checkpoint.Objects, entries, attempts []checkpoint.ObjectInfo) (err error) {
	attempt := checkpoint.AttemptID(0)
	beginUntil := func(last checkpoint.AttemptID) error {
		for attempt < last {
			if attempt, err = store.Begin(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range entries { // by ID, so that their attempts ascend
		e, err := readEntry(ctx, source, o)
		if err != nil {
			return err
		}
		if err := beginUntil(e.Attempt); err != nil {
			return err
		}
		if err := store.Commit(ctx, e); err != nil {
			return err
		}
	}
	for _, o := range attempts {
		n, err := strconv.ParseUint(path.Base(o.Name), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not the record of an attempt: %w", o.Name, err)
		}
		if err := beginUntil(checkpoint.AttemptID(n)); err != nil {
			return err
		}
	}
	log.Printf("listed %d checkpoints of %d attempts in the completed store", len(entries), attempt)
	return nil
}

// readEntry reads an entry of the list that the coordinator keeps next to the state.
func readEntry(ctx context.Context, objects checkpoint.Objects, o checkpoint.ObjectInfo) (e checkpoint.Entry, err error) {
	in, err := objects.Open(ctx, o.Name)
	if err != nil {
		return e, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.NewSectionReader(in, 0, o.Size))
	if err != nil {
		return e, err
	}
	if e, err = checkpoint.DecodeEntry(data); err != nil {
		return e, fmt.Errorf("%s: %w", o.Name, err)
	}
	return e, nil
}
