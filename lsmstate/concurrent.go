package lsmstate

import (
	"context"
	"fmt"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// transfers is how many files are copied at the same time: enough to hide how long a
// store of objects takes to answer, and few of its connections. Each has a buffer of
// pieceBytes.
const transfers = 4

// concurrently calls do with 0 to n-1, some at the same time. After an error, which
// it returns, or the end of the context no more are called; it returns when all have.
func concurrently(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var working sync.WaitGroup
	for range min(n, transfers) {
		working.Go(func() {
			for i := range next {
				if err := guarded(func() error { return do(ctx, i) }); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	working.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// guarded makes an error of a panic in a target or source of the program's own, whose
// text may quote data.
func guarded(do func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("copy a file: %w", snapshot.ErrPanic)
		}
	}()
	return do()
}
