package hdfsstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstWait = 50 * time.Millisecond
	maxWait   = 5 * time.Second
)

// retry runs a try until it succeeds, fails for a reason that will stay, or has been run
// Options.Attempts times. A try returns stopped if ctx has ended.
func (s *Store) retry(ctx context.Context, try func() error) error {
	var last error
	for attempt := 1; ; attempt++ {
		err := try()
		var h hopeless
		switch {
		case isStopped(err):
			return withLast(err, last)
		case err == nil || attempt >= s.options.Attempts || !isTransient(err) || !s.opened && errors.As(err, &h):
			return err
		}
		last = err
		if ended := wait(ctx, backoff(attempt)); ended != nil {
			return withLast(ended, last)
		}
	}
}

// withLast adds the error of the last attempt to a stopped.
func withLast(err, last error) error {
	if s, ok := err.(stopped); ok {
		s.last = last
		return s
	}
	return err
}

// backoff returns the wait after an attempt: it doubles each time and is between half of its value
// and its value, so that processes which failed together do not come back together.
func backoff(attempt int) time.Duration {
	full := min(firstWait<<min(attempt-1, 20), maxWait)
	return full/2 + rand.N(full/2+1)
}

// wait waits, or returns stopped if ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return stopped{cause: context.Cause(ctx)}
	}
}

// do runs calls of the NameNode that may be repeated, on a session of its own.
func (s *Store) do(ctx context.Context, calls func(client) error) error {
	return s.retry(ctx, func() error { return s.once(ctx, calls) })
}

// once runs calls on a session of its own. If ctx ends during a call, once returns at once; the
// call may have taken effect or still take effect.
func (s *Store) once(ctx context.Context, calls func(client) error) error {
	u, err := s.use(ctx)
	if err != nil {
		return err
	}
	err = calls(u.client)
	return u.end(err)
}

// use is the use of a session that ends with a context.
type use struct {
	*session
	ctx  context.Context
	pool *pool
	stop func() bool // stop of context.AfterFunc
}

// use takes a session from the pool. The end of ctx kills it.
func (s *Store) use(ctx context.Context) (*use, error) {
	if ctx.Err() != nil {
		return nil, stopped{cause: context.Cause(ctx)}
	}
	taken, err := s.pool.take(ctx)
	if err != nil {
		return nil, err
	}
	return &use{taken, ctx, &s.pool, context.AfterFunc(ctx, taken.kill)}, nil
}

// end ends the use. A session that has failed is closed; err is the last error of a call. It
// returns stopped if the context was the reason, and err otherwise.
func (u *use) end(err error) error {
	killed := !u.stop()
	if !killed && hasAnswered(err) {
		u.pool.put(u.session)
		return err
	}
	isHopeless := u.isHopeless()
	u.session.close()
	switch {
	case killed && err != nil:
		return stopped{cause: context.Cause(u.ctx)}
	case err != nil && isHopeless:
		return hopeless{err}
	}
	return err
}
