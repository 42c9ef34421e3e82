package lsm

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// storyBudget is the budget of the stores of a test, which makes opening them cheap.
func storyBudget(t testing.TB) *Budget { return budgets.of(t, 8<<20) }

// goldenBudget is the same with the least that a budget may have.
func goldenBudget(t testing.TB) *Budget { return budgets.of(t, 4<<20) }

// testBudgets has the budgets of the tests that run. None is shared by two tests, so that
// one that fails takes nothing from the others.
type testBudgets struct {
	mu sync.Mutex
	by map[testBudget]*Budget
}

type testBudget struct {
	t     testing.TB
	bytes int64
}

var budgets = testBudgets{by: make(map[testBudget]*Budget)}

// of returns the budget of a test, which ends with it.
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

// end closes a budget, and the stores that a test which has failed has left open.
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
	case <-time.After(time.Minute): // what it held up holds up its store
		key.t.Log("a store of a test that has failed cannot be closed")
	}
}
