package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// cutJob is a job with one operator on LSM stores, whose incremental checkpoints are on a disk
// that loses power. It records the state at each checkpoint.
//
// Thread safety: mu guards moments and complete; one goroutine uses the rest.
type cutJob struct {
	rng     *rand.Rand
	storage checkpoint.StorageOptions

	mu       sync.Mutex
	moments  map[checkpoint.ID]map[string]string
	complete checkpoint.ID // newest checkpoint that was reported complete
}

const (
	cutGroups   = 16
	cutOperator = "counts"
	cutKeys     = 300
)

// cutRun is the job in one process.
type cutRun struct {
	*cutJob
	disk        vfs.FS
	coordinator *checkpoint.Coordinator
	attempt     *checkpoint.Attempt
	content     map[string]string
	subtasks    []*cutSubtask
	triggers    chan checkpoint.Trigger
	completed   chan checkpoint.ID
}

type cutSubtask struct {
	backend *lsmstate.Backend
	keyed   *state.Keyed[string]
	value   state.ValueState[string]
}

func (r *cutRun) Trigger(t checkpoint.Trigger) { r.triggers <- t }
func (r *cutRun) Complete(s checkpoint.Stats)  { r.completed <- s.ID }
func (r *cutRun) Aborted(checkpoint.ID, error) { r.completed <- 0 }
func (r *cutRun) Fail(error)                   {}

// begin starts the job in a new process on a disk, restores its newest checkpoint and compares
// the state with the record.
func (j *cutJob) begin(disk vfs.FS, name string, parallelism int) (_ *cutRun, err error) {
	r := &cutRun{
		cutJob: j, disk: disk, content: make(map[string]string),
		triggers: make(chan checkpoint.Trigger, 1), completed: make(chan checkpoint.ID, 1),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.end())
		}
	}()
	files, err := checkpoint.FilesOn(disk, "checkpoints")
	if err != nil {
		return nil, err
	}
	storage, err := checkpoint.NewStorage(files, j.storage)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if r.coordinator, err = checkpoint.NewCoordinator(ctx, checkpoint.Options{
		Job: "cut", Storage: storage, Retain: 2, TolerableFailures: 9, Timeout: time.Minute,
	}); err != nil {
		return nil, err
	}
	operators := []checkpoint.Subtasks{{Operator: cutOperator, Parallelism: parallelism}}
	if r.attempt, err = r.coordinator.Begin(ctx, r, operators); err != nil {
		return nil, err
	}
	for i := range parallelism {
		if err := r.open(fmt.Sprintf("%s/%d", name, i), state.SubtaskKeyspace(i, parallelism, cutGroups)); err != nil {
			return nil, err
		}
	}
	return r, r.compare()
}

// open opens and restores a subtask.
func (r *cutRun) open(dir string, space state.Keyspace) error {
	b, err := lsmstate.Create(dir, lsmstate.Options{Options: state.Options{Keyspace: space}, FS: r.disk, Tier: r.rng.IntN(2) == 0})
	if err != nil {
		return err
	}
	s := &cutSubtask{backend: b}
	r.subtasks = append(r.subtasks, s)
	if s.keyed, err = state.NewKeyed(b, codec.String[string]()); err != nil {
		return err
	}
	if s.value, err = state.ValueOf(s.keyed, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()}); err != nil {
		return err
	}
	restored := r.attempt.Restored()
	if restored == nil {
		return nil
	}
	operator, _ := restored.Operator(cutOperator)
	var handles []snapshot.Handle
	for _, part := range operator.Parts {
		handles = append(handles, *part.Handle)
	}
	_, err = snapshot.Restore(context.Background(), b, r.attempt.Source(), handles, snapshot.RestoreOptions{})
	return err
}

// compare compares the state with the record of the restored checkpoint.
func (r *cutRun) compare() error {
	if skipped := r.attempt.Skipped(); len(skipped) > 0 {
		return fmt.Errorf("skipped: %w", errors.Join(skipped...))
	}
	if restored := r.attempt.Restored(); restored != nil {
		r.mu.Lock()
		want, known := r.moments[restored.ID]
		r.mu.Unlock()
		if !known {
			return fmt.Errorf("checkpoint %d was never triggered", restored.ID)
		}
		r.content = maps.Clone(want)
	}
	for i := range cutKeys {
		key := fmt.Sprint(i)
		s, err := r.at(key)
		if err != nil {
			return err
		}
		got, ok, err := s.value.Get()
		if err != nil {
			return fmt.Errorf("key %s: %w", key, err)
		}
		if want, wanted := r.content[key]; ok != wanted || got != want {
			return fmt.Errorf("key %s: %.10q %v, want %.10q %v", key, got, ok, want, wanted)
		}
	}
	return nil
}

// at returns the subtask of a key and makes the key its current one.
func (r *cutRun) at(key string) (*cutSubtask, error) {
	for _, s := range r.subtasks {
		if err := s.keyed.SetKey(key); !errors.Is(err, state.ErrKeyGroup) {
			return s, err
		}
	}
	return nil, fmt.Errorf("key %s: %w", key, state.ErrKeyGroup)
}

// write changes some keys and removes others.
func (r *cutRun) write(keys int) error {
	for range keys {
		key := fmt.Sprint(r.rng.IntN(cutKeys))
		s, err := r.at(key)
		if err != nil {
			return err
		}
		if r.rng.IntN(4) == 0 {
			delete(r.content, key)
			err = s.value.Clear()
		} else {
			value := make([]byte, 1<<10)
			for i := range value {
				value[i] = byte(r.rng.Uint32())
			}
			r.content[key] = string(value)
			err = s.value.Set(string(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkpoint takes a checkpoint. If abort is true, the last subtask declines it.
func (r *cutRun) checkpoint(abort bool) error {
	if _, err := r.attempt.Trigger(); err != nil {
		return err
	}
	id := (<-r.triggers).ID
	r.mu.Lock()
	r.moments[id] = maps.Clone(r.content)
	r.mu.Unlock()
	for i, s := range r.subtasks {
		u := r.attempt.Upload(id, cutOperator, i)
		o := snapshot.Options{Name: u.Name(), Mode: snapshot.Incremental}
		running, err := snapshot.Start(u.Context(), s.backend, u, o)
		if err != nil {
			return err
		}
		h, err := running.Wait()
		if err != nil {
			return err
		}
		if abort && i == len(r.subtasks)-1 {
			u.Decline(errors.New("declined by the test"))
		} else if err := u.Acknowledge(&h, nil); err != nil {
			return err
		}
	}
	if done := <-r.completed; (done != id) != abort {
		return fmt.Errorf("checkpoint %d has ended as %d", id, done)
	}
	if !abort {
		r.mu.Lock()
		r.complete = id
		r.mu.Unlock()
	}
	return nil
}

// end ends the process.
func (r *cutRun) end() (err error) {
	for _, s := range r.subtasks {
		err = errors.Join(err, s.backend.Close())
	}
	if r.attempt != nil {
		r.attempt.End()
	}
	if r.coordinator != nil {
		err = errors.Join(err, r.coordinator.Close())
	}
	return err
}

// after checks a disk after a power cut: the newest checkpoint that was reported complete, or a
// later one, can be restored at any parallelism; the job continues, collects orphans, and
// restores its next checkpoint.
func (j *cutJob) after(disk vfs.FS, reported checkpoint.ID, parallelism int) error {
	k := &cutJob{rng: rand.New(rand.NewPCG(uint64(reported), 2)), moments: make(map[checkpoint.ID]map[string]string), storage: j.storage}
	j.mu.Lock()
	maps.Copy(k.moments, j.moments)
	j.mu.Unlock()
	r, err := k.begin(disk, "after", parallelism)
	if err != nil {
		return err
	}
	restored := checkpoint.ID(0)
	if c := r.attempt.Restored(); c != nil {
		restored = c.ID
	}
	if restored < reported {
		err = fmt.Errorf("checkpoint %d is restored, %d was complete", restored, reported)
	}
	_, collected := r.coordinator.Collect(context.Background(), false)
	err = errors.Join(err, collected, r.write(cutKeys/4), r.checkpoint(false), r.end())
	if err != nil {
		return err
	}
	if r, err = k.begin(disk, "again", 1+parallelism%3); err != nil {
		return fmt.Errorf("the next checkpoint: %w", err)
	}
	return r.end()
}

// TestIncrementalCheckpointsOfTheTreeSurvivePowerCuts cuts the power after each operation that
// changes the directory of checkpoints, and keeps none, all or some of the data that was not
// synced. Quick tests cut it after one operation in ten.
func TestIncrementalCheckpointsOfTheTreeSurvivePowerCuts(t *testing.T) {
	for name, storage := range map[string]checkpoint.StorageOptions{
		"tables are objects":   {},
		"tables are in a pack": {PackBytes: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) { cutPowerAfterEveryOperation(t, storage) })
	}
}

func cutPowerAfterEveryOperation(t *testing.T, storage checkpoint.StorageOptions) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	j := &cutJob{rng: rand.New(rand.NewPCG(1, 1)), moments: make(map[checkpoint.ID]map[string]string), storage: storage}
	var mu sync.Mutex
	var violation error
	cuts, tried, shared := 0, 0, 0
	every := density.Of(t, 10, 1, 1)
	some := [][]float64{{0, 0.5}, {0, 1}, {0}, {0.5}} // in turn
	kept := density.Of(t, some, some, [][]float64{{0, 0.5, 1}})
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(op vfstest.Op, name string) {
		mu.Lock()
		defer mu.Unlock()
		if violation != nil || !strings.HasPrefix(filepath.ToSlash(name), "/checkpoints") {
			return
		}
		if cuts++; cuts%every > 0 {
			return
		}
		if strings.Contains(filepath.ToSlash(name), "/shared/") {
			shared++
		}
		for i, keep := range kept[tried%len(kept)] {
			j.mu.Lock()
			reported := j.complete
			j.mu.Unlock()
			clone := mem.CrashClone(vfstest.CrashOptions{Keep: keep, Rand: rand.New(rand.NewPCG(uint64(cuts), 1))})
			if err := j.after(clone, reported, 1+(cuts+i)%3); err != nil {
				violation = fmt.Errorf("power cut after %v of %s, with %v of the unsynced data kept: %w", op, name, keep, err)
				return
			}
		}
		tried++
	}})
	for run := range 3 {
		r, err := j.begin(disk, fmt.Sprint("run", run), 1+run)
		require.NoError(t, err)
		for i := range 3 {
			require.NoError(t, r.write(cutKeys/2))
			require.NoError(t, r.checkpoint(run == 1 && i == 1))
		}
		require.NoError(t, r.end())
	}
	mu.Lock()
	defer mu.Unlock()
	require.NoError(t, violation)
	require.Greater(t, tried, 10)
	require.NotZero(t, shared, "tables are not in the description")
	require.EqualValues(t, 9, j.complete)
}
