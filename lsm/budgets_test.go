package lsm

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// storyBudget returns a budget of 8 MiB that all stores of a test share, so that Open is cheap.
func storyBudget(t testing.TB) *Budget { return budgets.of(t, 8<<20) }

// goldenBudget is like storyBudget, with 4 MiB, the smallest budget.
func goldenBudget(t testing.TB) *Budget { return budgets.of(t, 4<<20) }

// testBudgets holds the budgets of all running tests. Two tests never share a budget, so that a failed
// test does not use up memory of other tests.
type testBudgets struct {
	mu sync.Mutex
	by map[testBudget]*Budget
}

type testBudget struct {
	t     testing.TB
	bytes int64
}

var budgets = testBudgets{by: make(map[testBudget]*Budget)}

// of returns the budget of a test, and makes it at the first call. The end of the test closes it.
func (b *testBudgets) of(t testing.TB, bytes int64) *Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := testBudget{t, bytes}
	if b.by[key] == nil {
		b.by[key] = NewBudget(bytes)
		t.Cleanup(func() { b.end(key) })
	}
	return b.by[key]
}

// end closes a budget, after the stores that a failed test has left open.
func (b *testBudgets) end(key testBudget) {
	b.mu.Lock()
	budget := b.by[key]
	delete(b.by, key)
	b.mu.Unlock()
	budget.mu.Lock()
	open := slices.Clone(budget.stores)
	budget.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, s := range open {
			_ = s.store.(*DB).Close()
		}
		_ = budget.Close()
	}()
	if !key.t.Failed() {
		<-ended
		return
	}
	select {
	case <-ended:
	case <-time.After(time.Minute): // a goroutine of the failed test may block the store
		key.t.Log("a store of a failed test cannot be closed")
	}
}
