package checkpoint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/vfs/vfstest"
)

// paidStore is an object store that records its requests.
type paidStore struct {
	checkpoint.Objects
	mu       sync.Mutex
	requests []string
}

func (s *paidStore) request(kind, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, kind+" "+name)
}

// take returns the requests since the last call.
func (s *paidStore) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := s.requests
	s.requests = nil
	return requests
}

func (s *paidStore) Create(ctx context.Context, name string) (snapshot.File, error) {
	s.request("put", name)
	return s.Objects.Create(ctx, name)
}

func (s *paidStore) Open(ctx context.Context, name string) (snapshot.Object, error) {
	s.request("get", name)
	return s.Objects.Open(ctx, name)
}

func (s *paidStore) List(ctx context.Context, prefix string) ([]checkpoint.ObjectInfo, error) {
	s.request("list", prefix)
	return s.Objects.List(ctx, prefix)
}

func (s *paidStore) Remove(ctx context.Context, name string) error {
	s.request("delete", name)
	return s.Objects.Remove(ctx, name)
}

func (s *paidStore) RemoveAll(ctx context.Context, names []string) error {
	s.request("delete", fmt.Sprint(names))
	for _, name := range names {
		if err := s.Objects.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *paidStore) PackBytes() int64 { return 1 << 20 }

// The requests of a job whose state is trees do not depend on the number of subtasks: at most five for a
// checkpoint that wrote no table, and six for another, the removal of the previous one included.
func TestCheckpointOfTreesCostsFewRequests(t *testing.T) {
	for _, parallelism := range []int{1, 8} {
		t.Run(fmt.Sprint(parallelism), func(t *testing.T) { countRequestsOfTrees(t, parallelism) })
	}
}

func countRequestsOfTrees(t *testing.T, parallelism int) {
	store := &paidStore{Objects: checkpoint.NewMemoryObjects()}
	storage, err := checkpoint.NewStorage(store, checkpoint.StorageOptions{})
	require.NoError(t, err)
	r := &cutRun{
		cutJob: &cutJob{rng: rand.New(rand.NewPCG(1, 1)), moments: make(map[checkpoint.ID]map[string]string)},
		disk:   vfstest.NewMem(vfstest.MemOptions{}), content: make(map[string]string),
		triggers: make(chan checkpoint.Trigger, 1), completed: make(chan checkpoint.ID, 1),
	}
	open := func(name string) {
		r.subtasks = nil
		r.coordinator, err = checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "trees", Storage: storage, Timeout: time.Minute})
		require.NoError(t, err)
		r.attempt, err = r.coordinator.Begin(t.Context(), r, []checkpoint.Subtasks{{Operator: cutOperator, Parallelism: parallelism}})
		require.NoError(t, err)
		for i := range parallelism {
			require.NoError(t, r.open(fmt.Sprintf("%s/%d", name, i), state.SubtaskKeyspace(i, parallelism, cutGroups)))
		}
		require.NoError(t, r.coordinator.Settle())
	}
	unchanged := 0 // a compaction may write a table at any time
	take := func(keys int) {
		require.NoError(t, r.write(keys))
		store.take()
		require.NoError(t, r.checkpoint(false))
		require.NoError(t, r.coordinator.Settle())
		requests := store.take()
		if strings.Contains(fmt.Sprint(requests), "put trees/shared/") {
			require.LessOrEqual(t, len(requests), 6, "%q", requests)
			return
		}
		require.Zero(t, keys, "it wrote the changes: %q", requests)
		require.LessOrEqual(t, len(requests), 5, "%q", requests)
		unchanged++
	}
	open("first")
	for range 10 {
		take(cutKeys)
	}
	for range 10 {
		take(0)
	}
	require.NotZero(t, unchanged)
	require.NoError(t, r.end())

	open("second") // restores the newest one
	require.NoError(t, r.compare())
	unchanged = 0
	for range 10 {
		take(0)
	}
	require.NotZero(t, unchanged, "the tables are known by identity")
	require.NoError(t, r.end())
}
