// Command backend runs keyed state on a backend of its own, package sorted below it: it takes a
// snapshot, and restores it on two instances of the backend and on the hash backend of Weir.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/weirstate/weir/examples/backend/sorted"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

const (
	keyGroups = 128
	keys      = 1000
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// open opens a backend for some key groups.
type open func(state.Options) (snapshot.Backend, error)

func openSorted(o state.Options) (snapshot.Backend, error) { return sorted.New(o) }
func openHash(o state.Options) (snapshot.Backend, error)   { return heapstate.NewHash(o) }

// run does the steps and writes what it finds.
func run(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "weir-backend-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	directory, err := snapshot.NewDirectory(dir)
	if err != nil {
		return err
	}

	one, err := newSubtask(openSorted, 0, 1)
	if err != nil {
		return err
	}
	for i := range int64(keys) {
		if err := one.set(i, i*i); err != nil {
			return err
		}
	}
	running, err := snapshot.Start(ctx, one.backend, directory, snapshot.Options{})
	if err != nil {
		return err
	}
	handle, err := running.Wait()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "snapshot of %d rows\n", handle.Rows)

	for _, target := range []struct {
		name     string
		open     open
		subtasks int
	}{{"sorted", openSorted, 2}, {"hash", openHash, 1}} {
		for i := range target.subtasks {
			n, err := restore(ctx, directory, handle, target.open, i, target.subtasks)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s, subtask %d of %d: %d keys\n", target.name, i, target.subtasks, n)
		}
	}
	return one.backend.Close()
}

// restore loads the snapshot into a new subtask, checks all values and returns their number.
func restore(ctx context.Context, from snapshot.Source, h snapshot.Handle, open open, index, of int) (n int, err error) {
	s, err := newSubtask(open, index, of)
	if err != nil {
		return 0, err
	}
	if _, err := snapshot.Restore(ctx, s.backend, from, []snapshot.Handle{h}, snapshot.RestoreOptions{}); err != nil {
		return 0, err
	}
	for key, err := range s.keyed.Keys("squares", nil) {
		if err != nil {
			return 0, err
		}
		if err := s.keyed.SetKey(key); err != nil {
			return 0, err
		}
		if square, _, err := s.squares.Get(); err != nil || square != key*key {
			return 0, fmt.Errorf("square of %d is %d: %w", key, square, err)
		}
		n++
	}
	return n, s.backend.Close()
}

// subtask is a backend with one state: a square for each number.
type subtask struct {
	backend snapshot.Backend
	keyed   *state.Keyed[int64]
	squares state.ValueState[int64]
}

func newSubtask(open open, index, of int) (s subtask, err error) {
	s.backend, err = open(state.Options{Keyspace: state.SubtaskKeyspace(index, of, keyGroups)})
	if err != nil {
		return s, err
	}
	if s.keyed, err = state.NewKeyed(s.backend, codec.Int[int64]()); err != nil {
		return s, err
	}
	s.squares, err = state.ValueOf(s.keyed, state.ValueDescriptor[int64]{Name: "squares", Codec: codec.Int[int64]()})
	return s, err
}

func (s subtask) set(key, value int64) error {
	if err := s.keyed.SetKey(key); err != nil {
		return err
	}
	return s.squares.Set(value)
}
