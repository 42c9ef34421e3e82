package checkpoint

import (
	"context"
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
