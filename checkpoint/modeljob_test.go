package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// The model job has two operators that keep a number for each of four keys, and a source that
// has an offset and no backend.
const (
	modelGroups = 4
	modelSource = "source"
	modelShared = "counts" // its snapshots are native and incremental
)

// modelSeed makes the identities of files differ.
var modelSeed atomic.Uint64

// modelGroup returns the key group of a key.
func modelGroup(key string) uint16 { return state.KeyGroup(xxhash.Sum64String(key), modelGroups) }

var modelKeys = []string{"a", "b", "c", "d"}

// modelTask is a subtask of the model job.
//
// Invariant: backend, if not nil, holds the same numbers as the map numbers.
type modelTask struct {
	subtaskID
	backend snapshot.Backend // nil for a source
	native  *modelNative     // backend, if it has native snapshots; otherwise nil
	keyed   *state.Keyed[string]
	value   state.ValueState[int64]
	numbers map[string]int64
	offset  int64
}

// newModelTask returns an empty subtask.
func newModelTask(operator string, subtask, parallelism int) (*modelTask, error) {
	t := &modelTask{subtaskID: subtaskID{operator, subtask}, numbers: make(map[string]int64)}
	if operator == modelSource {
		return t, nil
	}
	var err error
	space := state.SubtaskKeyspace(subtask, parallelism, modelGroups)
	seed := modelSeed.Add(1)
	if t.native, err = newModelNative(state.Options{Keyspace: space}, rand.New(rand.NewPCG(seed, 1))); err != nil {
		return nil, err
	}
	if t.backend = t.native; operator != modelShared {
		t.backend, t.native = t.native.Backend, nil
	}
	if t.keyed, err = state.NewKeyed(t.backend, codec.String[string]()); err != nil {
		return nil, err
	}
	t.value, err = state.ValueOf(t.keyed, state.ValueDescriptor[int64]{Name: "number", Codec: codec.Int[int64]()})
	return t, err
}

// write sets the number of a key, or removes the key if the number is zero, and increments the
// offset. It skips keys of other subtasks.
func (t *modelTask) write(key string, number int64) error {
	t.offset++
	if t.backend == nil {
		return nil
	}
	if err := t.keyed.SetKey(key); err != nil {
		if errors.Is(err, state.ErrKeyGroup) {
			return nil
		}
		return err
	}
	if t.native != nil {
		t.native.written[key] = number
	}
	if number == 0 {
		delete(t.numbers, key)
		return t.value.Clear()
	}
	t.numbers[key] = number
	return t.value.Set(number)
}

// data returns the other data of the subtask.
func (t *modelTask) data() []byte { return fmt.Appendf(nil, "%s at %d", t.subtaskID, t.offset) }

func (p subtaskID) String() string { return fmt.Sprintf("%s-%d", p.operator, p.subtask) }

// frozenTask is a subtask's part of a checkpoint between its barrier and its acknowledgement.
type frozenTask struct {
	snapshot.Backend
	view snapshot.View // nil without a backend
	data []byte
}

// freeze takes the view of the subtask, the synchronous half of a snapshot.
func (t *modelTask) freeze() (*frozenTask, error) {
	f := &frozenTask{data: t.data()}
	if t.backend == nil {
		return f, nil
	}
	var err error
	f.view, err = t.backend.View()
	f.Backend = t.backend
	return f, err
}

// View implements snapshot.Backend.
func (f *frozenTask) View() (snapshot.View, error) { return f.view, nil }

// write writes the files of the view, the asynchronous half of a snapshot.
func (f *frozenTask) write(u *Upload) (*snapshot.Handle, error) {
	if f.view == nil {
		return nil, nil
	}
	o := snapshot.Options{Name: u.Name(), Compression: snapshot.None, Synchronous: true}
	if _, ok := f.view.(snapshot.NativeView); ok {
		o.Mode = snapshot.Incremental
	}
	r, err := snapshot.Start(u.Context(), f, u, o)
	if err != nil {
		return nil, err
	}
	h, err := r.Wait()
	return &h, err
}

// moment is the state of the model job at the barriers of one checkpoint.
type moment struct {
	numbers map[string]map[string]int64 // by operator, of all its subtasks
	data    map[subtaskID]string
	missing int // subtasks that the barrier has not reached
}

// newMoment returns the empty state of a checkpoint.
func newMoment(subtasks int) *moment {
	return &moment{numbers: make(map[string]map[string]int64), data: make(map[subtaskID]string), missing: subtasks}
}

// add records the state of a subtask at its barrier.
func (m *moment) add(t *modelTask) {
	if m.numbers[t.operator] == nil {
		m.numbers[t.operator] = make(map[string]int64)
	}
	maps.Copy(m.numbers[t.operator], t.numbers)
	m.data[t.subtaskID] = string(t.data())
	m.missing--
}

// errMixture is returned when a restored checkpoint differs from the state at its barriers.
var errMixture = errors.New("restored state differs from the model")

// beginTasks returns the subtasks of an attempt, restored from a checkpoint, which may be nil,
// and compares them with the state at its barriers.
func beginTasks(src snapshot.Source, restored *Checkpoint, was *moment, operators []Subtasks) ([]*modelTask, error) {
	if err := compareData(restored, was); err != nil {
		return nil, err
	}
	var tasks []*modelTask
	for _, o := range operators {
		for i := range o.Parallelism {
			t, err := newModelTask(o.Operator, i, o.Parallelism)
			if err == nil && restored != nil && t.backend != nil {
				err = t.restore(src, restored, was)
			}
			if err != nil {
				return nil, fmt.Errorf("%v: %w", t.subtaskID, err)
			}
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// compareData compares the other data of a checkpoint with that at its barriers.
func compareData(restored *Checkpoint, was *moment) error {
	if restored == nil {
		return nil
	}
	data := make(map[subtaskID]string)
	for _, o := range restored.Operators {
		for i, part := range o.Parts {
			data[subtaskID{o.Name, i}] = string(part.Data)
		}
	}
	if !maps.Equal(data, was.data) {
		return fmt.Errorf("checkpoint %d has data %v, want %v: %w", restored.ID, data, was.data, errMixture)
	}
	return nil
}

// restore restores the subtask's key groups and compares them with the model.
func (t *modelTask) restore(src snapshot.Source, restored *Checkpoint, was *moment) error {
	var handles []snapshot.Handle
	for _, o := range restored.Operators {
		if o.Name != t.operator {
			continue
		}
		for _, part := range o.Parts {
			handles = append(handles, *part.Handle)
		}
	}
	done, err := snapshot.Restore(context.Background(), t.backend, src, handles, snapshot.RestoreOptions{})
	if err != nil {
		return err
	}
	if t.native != nil {
		for key, number := range t.native.loaded {
			if err := errors.Join(t.keyed.SetKey(key), t.value.Set(number)); err != nil {
				return err
			}
			done.Rows++
		}
	}
	for _, key := range modelKeys {
		if err := t.keyed.SetKey(key); errors.Is(err, state.ErrKeyGroup) {
			continue
		}
		number, ok, err := t.value.Get()
		if err != nil {
			return err
		}
		want, wantOK := was.numbers[t.operator][key]
		if number != want || ok != wantOK {
			return fmt.Errorf("checkpoint %d: %d %v, want %d %v: %w", restored.ID, number, ok, want, wantOK, errMixture)
		}
		if ok {
			t.numbers[key] = number
		}
	}
	if done.Rows != int64(len(t.numbers)) {
		return fmt.Errorf("checkpoint %d: %d rows, want %d: %w", restored.ID, done.Rows, len(t.numbers), errMixture)
	}
	return nil
}
