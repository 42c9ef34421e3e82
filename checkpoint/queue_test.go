package checkpoint

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// drain returns when its context ends, even while a function runs.
func TestWaitingForAQueueEndsWithTheContext(t *testing.T) {
	enough := errors.New("enough")
	q := newQueue(func(f func()) { go f() })
	started, release := make(chan struct{}), make(chan struct{})
	ran := make(chan struct{}, 1)
	q.add(func() { close(started); <-release })
	q.add(func() { ran <- struct{}{} })
	<-started
	ctx, cancel := context.WithCancelCause(t.Context())
	drained := make(chan error)
	go func() { drained <- q.drain(ctx) }()
	cancel(enough)
	require.ErrorIs(t, <-drained, enough)
	close(release)
	require.NoError(t, q.drain(t.Context()))
	require.Len(t, ran, 1)
}
