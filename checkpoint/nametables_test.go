package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// statesOf returns n states with schemas of the given size.
func statesOf(n, schemaBytes int) []backend.Info {
	states := make([]backend.Info, n)
	for i := range states {
		states[i] = backend.Info{
			Name: fmt.Sprint("state-", i), Kind: backend.KindValue, Key: codec.ID{Name: "string", Version: 1},
			Codecs: []codec.ID{{Name: "struct", Version: 1, Schema: strings.Repeat("s", schemaBytes)}},
		}
	}
	slices.SortFunc(states, func(a, b backend.Info) int { return cmp.Compare(a.ID(), b.ID()) })
	return states
}

// takeWide takes a checkpoint of a job whose subtasks all acknowledge the same states, each
// with a table of its own.
func takeWide(r *rig, subtasks, states, schemaBytes int) error {
	a := r.begin(Subtasks{"op", subtasks})
	id := r.trigger(a)
	for i := range subtasks {
		u := a.Upload(id, "op", i)
		h := &snapshot.Handle{Keyspace: backend.SubtaskKeyspace(i, subtasks, subtasks), States: statesOf(states, schemaBytes)}
		if err := u.Acknowledge(h, nil); err != nil {
			return err
		}
	}
	r.runQueued()
	return nil
}

// With 128 subtasks and 60 states of 1,400 bytes every checkpoint failed before version 3.
func TestManySubtasksWithManyStatesFitIntoMetadata(t *testing.T) {
	r := newRig(t, Options{})
	require.NoError(t, takeWide(r, 128, 60, 1400))
	r.requireEvents("trigger 1 on 0", "complete 1")
	_, a := r.restart()
	parts := a.Restored().Operators[0].Parts
	require.Len(t, parts, 128)
	for _, p := range parts {
		require.Equal(t, statesOf(60, 1400), p.Handle.States)
		require.True(t, sameTable(parts[0].Handle.States, p.Handle.States), "one table in memory")
	}
}

// A longer schema enlarges the metadata by the same number of bytes at any number of subtasks.
func TestNameTableIsStoredOnce(t *testing.T) {
	sizeOf := func(subtasks, schemaBytes int) int {
		c := emptyCheckpoint()
		c.Operators = []Operator{{Name: "op"}}
		for i := range subtasks {
			h := &snapshot.Handle{Keyspace: backend.SubtaskKeyspace(i, subtasks, 128), States: statesOf(10, schemaBytes)}
			c.Operators[0].Parts = append(c.Operators[0].Parts, Part{Handle: h})
		}
		return len(encoded(t, c))
	}
	require.Equal(t, sizeOf(1, 2000)-sizeOf(1, 1000), sizeOf(100, 2000)-sizeOf(100, 1000))
}

func TestInvalidNameTablesAreCorrupt(t *testing.T) {
	head := builtHeadOf(3, "job", 1, 1, time.Unix(0, 0))
	first, second := builtTable(statesOf(1, 10)), builtTable(statesOf(2, 10))
	part := func(group uint16, table uint64) []byte {
		h := &snapshot.Handle{Keyspace: backend.Keyspace{MaxParallelism: 8, Groups: backend.GroupRange{First: group, Last: group}}}
		return builtPart(Part{Handle: h}, uv(table), nil)
	}
	op := slices.Concat(uv(1), txt("op"), uv(2))
	_, err := Decode(sealedBytes(head, uv(2), first, second, op, part(0, 0), part(1, 1)))
	require.NoError(t, err, "the base case is valid")
	for name, data := range map[string][]byte{
		"that no handle has":       sealedBytes(head, uv(2), first, second, op, part(0, 0), part(1, 0)),
		"that only one has":        sealedBytes(head, uv(1), first, uv(0)),
		"twice":                    sealedBytes(head, uv(2), first, first, op, part(0, 0), part(1, 1)),
		"empty, twice":             sealedBytes(head, uv(2), uv(0), uv(0), op, part(0, 0), part(1, 1)),
		"in another order":         sealedBytes(head, uv(2), first, second, op, part(0, 1), part(1, 0)),
		"that is not there":        sealedBytes(head, uv(1), first, op, part(0, 0), part(1, 1)),
		"with the number 2^60":     sealedBytes(head, uv(1), first, op, part(0, 0), part(1, 1<<60)),
		"as many as 2^60":          sealedBytes(head, uv(1<<60), first, op, part(0, 0), part(1, 0)),
		"cut off":                  sealedBytes(head, uv(1), first[:len(first)-1]),
		"in place of their number": sealedBytes(head, uv(0), uv(1), txt("op"), uv(1), builtPart(Part{Handle: &snapshot.Handle{Keyspace: backend.WholeKeyspace(8)}}, first, nil)),
	} {
		_, err := Decode(data)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// Every key group has a handle, and all handles refer to the largest possible table.
func TestTableOfManyHandlesTakesMemoryOnce(t *testing.T) {
	const subtasks = backend.MaxKeyGroups
	c := emptyCheckpoint()
	c.Operators = []Operator{{Name: "op"}}
	states := statesOf(maxStates, 20)
	for i := range subtasks {
		h := &snapshot.Handle{Keyspace: backend.SubtaskKeyspace(i, subtasks, subtasks), States: states}
		c.Operators[0].Parts = append(c.Operators[0].Parts, Part{Handle: h})
	}
	data := encoded(t, c)
	var back *Checkpoint
	var err error
	took := totalAllocated(func() { back, err = Decode(data) })
	require.NoError(t, err)
	require.Less(t, took, uint64(20*len(data)))
	last := back.Operators[0].Parts[subtasks-1].Handle.States
	require.True(t, sameTable(back.Operators[0].Parts[0].Handle.States, last))
	require.Equal(t, states[0], last[0])
	require.Equal(t, len(last), cap(last), "an append would change the table of all others")
}

// The tables, which come before the first part, exceed the limit for structure.
func TestTablesAreNotReadPastTheLimitOfStructure(t *testing.T) {
	var tables []byte
	n := 0
	for ; len(tables) < 3*maxStructureBytes; n++ {
		tables = append(tables, builtTable(statesOf(1+n%3, 1<<18+n))...)
	}
	data := sealedBytes(builtHeadOf(3, "job", 1, 1, time.Unix(0, 0)), uv(uint64(n)), tables, uv(0))
	var err error
	took := totalAllocated(func() { _, err = Decode(data) })
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "structure")
	require.Less(t, took, uint64(3*maxStructureBytes))
}

// States that no checkpoint can hold are refused before the job begins.
func TestDeclarationsThatNoCheckpointHoldsAreRefused(t *testing.T) {
	memory := func(o MemoryOptions) *Storage { return NewMemory(o) }
	for name, c := range map[string]struct {
		storage                       *Storage
		subtasks, states, schemaBytes int
		want                          error
	}{
		"fits":                  {nil, 128, 60, 1400, nil},
		"fits into memory":      {memory(MemoryOptions{}), 128, 60, 1400, nil},
		"schemas of 11 MiB":     {nil, 2, 11, 1 << 20, ErrTooLarge},
		"a frame is too large":  {memory(MemoryOptions{FrameBytes: 10_000}), 2, 10, 1000, ErrFrameTooLarge},
		"frames are too large":  {memory(MemoryOptions{TotalBytes: 100_000}), 12, 10, 1000, ErrMemoryFull},
		"frames are just right": {memory(MemoryOptions{TotalBytes: 150_000}), 12, 10, 1000, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Storage: c.storage, TolerableFailures: 1})
			a := r.begin(Subtasks{"source", 1}, Subtasks{"op", c.subtasks})
			handles := make([]snapshot.Handle, c.subtasks)
			for i := range handles {
				handles[i] = snapshot.Handle{Keyspace: backend.SubtaskKeyspace(i, c.subtasks, 128), States: statesOf(c.states, c.schemaBytes)}
			}
			err := a.CheckDeclared(map[string][]snapshot.Handle{"op": handles})
			require.ErrorIs(t, err, c.want)
			// The first checkpoint fails for the same declarations.
			id := r.trigger(a)
			first := a.Upload(id, "source", 0).Acknowledge(nil, nil)
			for i := range handles {
				u := a.Upload(id, "op", i)
				file, err := u.Create(context.Background(), u.Name())
				require.NoError(t, err)
				if file.Commit() == nil {
					h := handles[i]
					h.Files = []snapshot.FileRef{{Name: u.Name(), Bounds: h.Keyspace.Groups}}
					err = u.Acknowledge(&h, nil)
				}
				if first == nil {
					first = err
				}
			}
			r.runQueued()
			require.Equal(t, c.want == nil, slices.Contains(r.events, "complete 1"), "%v", r.reasons)
		})
	}
	a := newRig(t, Options{}).begin()
	h := snapshot.Handle{Keyspace: backend.WholeKeyspace(8), States: []backend.Info{{Name: "a", Kind: 99}}}
	require.ErrorIs(t, a.CheckDeclared(map[string][]snapshot.Handle{"op": {h}}), ErrInvalid)
}

// If a handle were ignored, the job would meet the limit only at its first checkpoint.
func TestCheckDeclaredWantsOneHandlePerSubtask(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin(Subtasks{"op", 2}, Subtasks{"source", 1})
	handle := func(subtask int) snapshot.Handle {
		return snapshot.Handle{Keyspace: backend.SubtaskKeyspace(subtask, 8, 8)}
	}
	require.NoError(t, a.CheckDeclared(nil))
	require.NoError(t, a.CheckDeclared(map[string][]snapshot.Handle{"op": {handle(0), handle(1)}}))
	for _, handles := range []map[string][]snapshot.Handle{
		{"op": {handle(0)}},
		{"op": {handle(0), handle(1), handle(2)}},
		{"other": {handle(0)}},
	} {
		require.ErrorIs(t, a.CheckDeclared(handles), ErrInvalidOption, "%v", handles)
	}
}
