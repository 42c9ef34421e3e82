package lsm

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// storyBudget returns a budget of 8 MiB that all stores of a test share, so that Open is cheap.
func storyBudget(t testing.TB) *Budget { return budgets.forTest(t, 8<<20) }

// goldenBudget is like storyBudget, with 4 MiB, the smallest budget.
func goldenBudget(t testing.TB) *Budget { return budgets.forTest(t, 4<<20) }

// nestedJobs is the number of slots of the budgets of tests. Tests open stores in a hook of the disk,
// while a flush or compaction of another store of the budget waits for that hook with its slot.
const nestedJobs = 16

// testBudgets holds the budgets of all running tests. Two tests never share a budget, so that a failed
// test does not use up memory of other tests.
type testBudgets struct {
	mu     sync.Mutex
	byTest map[testBudget]*Budget
}

// testBudget identifies a budget: each test has at most one budget per size.
type testBudget struct {
	t     testing.TB
	bytes int64
}

var budgets = testBudgets{byTest: make(map[testBudget]*Budget)}

// forTest returns the budget of a test, and makes it at the first call. The end of the test closes it.
func (b *testBudgets) forTest(t testing.TB, bytes int64) *Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := testBudget{t, bytes}
	if b.byTest[key] == nil {
		b.byTest[key] = NewBudget(bytes)
		b.byTest[key].jobs.limit = func() int { return nestedJobs }
		t.Cleanup(func() { b.close(key) })
	}
	return b.byTest[key]
}

// close closes the stores that a failed test has left open, and then the budget of the test.
func (b *testBudgets) close(key testBudget) {
	b.mu.Lock()
	budget := b.byTest[key]
	delete(b.byTest, key)
	b.mu.Unlock()
	budget.mu.Lock()
	open := slices.Clone(budget.stores)
	budget.mu.Unlock()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, s := range open {
			_ = s.store.(*DB).Close()
		}
		_ = budget.Close()
	}()
	if !key.t.Failed() {
		<-closed
		return
	}
	select {
	case <-closed:
	case <-time.After(time.Minute): // a goroutine of the failed test may block the store
		key.t.Log("a store of a failed test cannot be closed")
	}
}
