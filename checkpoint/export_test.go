package checkpoint

import (
	"context"
	"errors"
	"math"
)

// NewMemoryObjects returns an empty store in memory for external tests.
func NewMemoryObjects() Objects {
	return newMemoryObjects(&memoryBudget{limitBytes: math.MaxInt64})
}

// OpenEntries opens the default completed store of a job for external tests.
func OpenEntries(ctx context.Context, objects Objects, job string) (Completed, error) {
	return openEntries(ctx, objects, job)
}

// Settle waits until the coordinator has no commits and removals to do.
func (c *Coordinator) Settle() error {
	return errors.Join(c.commits.drain(context.Background()), c.removals.drain(context.Background()))
}
