package hdfsstore

import (
	"context"
	"sync"
	"time"
)

// session is a connection to the NameNode, with connections to DataNodes. One operation, one file
// being written or one sequential read owns it at a time.
//
// Invariant: every call of client that blocks does so in a connection or in dialing one, and kill
// ends both. So a canceled operation returns at once and leaves no goroutine behind.
type session struct {
	client client
	// kill closes the connections and prevents new ones. Calls in progress return errors.
	kill func()
	// isBroken reports whether the connection to the NameNode has failed.
	isBroken func() bool
	// isHopeless reports whether another session would fail in the same way: see hopeless.
	isHopeless func() bool
	// takeDataError returns the first error of a connection to a DataNode since the last call,
	// or nil. The library's writer notices such an error only when a block ends.
	takeDataError func() error
	idleSince     time.Time
}

// close ends the session and its goroutine.
func (s *session) close() {
	s.kill()
	_ = s.client.close() // the connections are closed already
}

// pool holds sessions that nobody uses.
//
// Problem: a client of the library runs one call at a time, its calls cannot be canceled, and after
// an error of the connection it fails for 5 s. A client for each operation would cost a connection
// each.
//
// Idea: an operation takes a session out of the pool, or connects a new one. Cancellation closes
// the connections of that session, which nobody else uses. A session whose connection has failed
// is closed and not used again.
//
// Cost: the library renews leases once a second on each connection, also on one without a lease.
// So an idle session is closed after idleTime.
//
// Thread safety: safe for concurrent use.
type pool struct {
	dial func(context.Context) (*session, error)

	mu     sync.Mutex
	idle   []*session // the one used last is the last
	timer  *time.Timer
	closed bool
}

const (
	// idleTime is longer than the usual distance of checkpoints in tests and in jobs with a short
	// recovery time, so that these keep their connection.
	idleTime = 5 * time.Second
	// maxIdle limits the connections that wait for the next operation.
	maxIdle = 8
)

// take returns a session that works as far as known.
func (p *pool) take(ctx context.Context) (*session, error) {
	if s := p.takeIdle(); s != nil {
		return s, nil
	}
	return p.dial(ctx)
}

// takeIdle returns the idle session that was used last, or nil. It closes sessions that broke.
func (p *pool) takeIdle() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if !s.isBroken() {
			return s
		}
		go s.close() // may wait for a renewal of leases
	}
	return nil
}

// put returns a session that works to the pool.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle || s.isBroken() {
		go s.close()
		return
	}
	s.idleSince = time.Now()
	p.idle = append(p.idle, s)
	if p.timer == nil {
		p.timer = time.AfterFunc(idleTime, p.expire)
	}
}

// expire closes sessions that have been idle for idleTime.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	for len(p.idle) > 0 && time.Since(p.idle[0].idleSince) >= idleTime {
		go p.idle[0].close()
		p.idle = p.idle[1:]
	}
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(idleTime-time.Since(p.idle[0].idleSince), p.expire)
	}
}

// close closes all idle sessions. Sessions in use are closed when they are put back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	for _, s := range p.idle {
		s.close()
	}
	p.idle = nil
}
