package lsmstate

import (
	"context"
	"fmt"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// transfers is the number of files that are copied concurrently: enough to hide the latency of an
// object store, with few connections. Each transfer has a buffer of pieceBytes.
const transfers = 4

// concurrently calls do with each of 0 to n-1, in up to transfers goroutines. After an error, or at
// the end of the context, it starts no more calls. It waits for all running calls and returns the
// first error.
func concurrently(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var working sync.WaitGroup
	for range min(n, transfers) {
		working.Go(func() {
			for i := range next {
				if err := callGuarded(func() error { return do(ctx, i) }); err != nil {
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

// callGuarded calls do and returns ErrPanic if a target or source of the program panics. It drops
// the text of the panic, which may quote data.
func callGuarded(do func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("copy of a file: %w", snapshot.ErrPanic)
		}
	}()
	return do()
}
