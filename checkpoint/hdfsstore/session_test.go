package hdfsstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// inBubble runs a test of the pool with a fake NameNode, in which time passes only while all goroutines wait.
func inBubble(t *testing.T, test func(t *testing.T, n *fakeNode, p *pool)) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		p := &pool{dial: n.dial}
		test(t, n, p)
		p.close()
		synctest.Wait()
		requireOpen(t, n, 0)
	})
}

func requireOpen(t *testing.T, n *fakeNode, want int) {
	t.Helper()
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	require.Equal(t, want, n.open)
}

func takeSession(t *testing.T, p *pool) *session {
	s, err := p.take(context.Background())
	require.NoError(t, err)
	return s
}

func TestPoolReusesTheSessionThatWasUsedLast(t *testing.T) {
	inBubble(t, func(t *testing.T, n *fakeNode, p *pool) {
		one, two := takeSession(t, p), takeSession(t, p)
		p.put(one)
		p.put(two)
		require.Same(t, two, takeSession(t, p))
		require.Same(t, one, takeSession(t, p))
		requireOpen(t, n, 2)
		p.put(one)
		p.put(two)
	})
}

func TestPoolClosesIdleSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, n *fakeNode, p *pool) {
		one, two := takeSession(t, p), takeSession(t, p)
		p.put(one)
		time.Sleep(idleTime / 2)
		p.put(two)
		time.Sleep(idleTime/2 + 1)
		requireOpen(t, n, 1)
		require.Same(t, two, takeSession(t, p))
		p.put(two)
		time.Sleep(idleTime + 1)
		requireOpen(t, n, 0)
		p.put(takeSession(t, p))
		time.Sleep(idleTime + 1)
		requireOpen(t, n, 0)
	})
}

func TestPoolKeepsFewIdleSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, n *fakeNode, p *pool) {
		var all []*session
		for range maxIdle + 3 {
			all = append(all, takeSession(t, p))
		}
		for _, s := range all {
			p.put(s)
		}
		requireOpen(t, n, maxIdle)
	})
}

func TestPoolDropsBrokenSessions(t *testing.T) {
	inBubble(t, func(t *testing.T, n *fakeNode, p *pool) {
		broken, breaks := takeSession(t, p), takeSession(t, p)
		p.put(breaks)
		broken.kill()
		p.put(broken)
		requireOpen(t, n, 1)
		breaks.kill() // while it is idle
		fresh := takeSession(t, p)
		require.NotSame(t, breaks, fresh)
		requireOpen(t, n, 1)
		p.put(fresh)
	})
}

func TestPoolClosesSessionsThatComeBackLate(t *testing.T) {
	inBubble(t, func(t *testing.T, n *fakeNode, p *pool) {
		s := takeSession(t, p)
		p.close()
		p.put(s)
		requireOpen(t, n, 0)
	})
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	for attempt := 1; attempt < 100; attempt++ {
		want := maxWait
		if attempt < 8 {
			want = firstWait << (attempt - 1)
		}
		for range 20 {
			got := backoff(attempt)
			require.GreaterOrEqual(t, got, want/2)
			require.LessOrEqual(t, got, want)
		}
	}
}

// TestSessionThatDidNotAnswerIsClosed ends a use with an error after which the connection still
// works, but its next answer may be that of an earlier call.
func TestSessionThatDidNotAnswerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		s := n.store(1)
		for _, c := range []struct {
			err  error
			open int
		}{{errors.New("unexpected sequence number"), 0}, {exception{class: classSafeMode}, 1}, {nil, 1}} {
			u, err := s.use(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.err, u.end(c.err))
			requireOpen(t, n, c.open)
		}
		require.NoError(t, s.Close())
	})
}
