package hdfsstore

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreConforms(t *testing.T) {
	var mu sync.Mutex
	nodes := make(map[string]*fakeNode)
	storagetest.Run(t, func(t testing.TB, root string) checkpoint.Objects {
		mu.Lock()
		defer mu.Unlock()
		if nodes[root] == nil {
			nodes[root] = newFakeNode()
		}
		s := nodes[root].store(defaultAttempts)
		require.NoError(t, s.begin(context.Background()))
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
	for _, n := range nodes {
		n.mu.Lock()
		require.Zero(t, n.open, "clients that are not closed")
		n.mu.Unlock()
	}
}
