package zkstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// NewOpener returns a function that opens the completed stores of an ensemble, for
// checkpoint.StorageOptions.Completed. It returns checkpoint.ErrInvalidOption for an option out of
// range, and does no I/O. Without Options.Logger a store logs to the logger of its coordinator.
func NewOpener(o Options) (checkpoint.CompletedOpener, error) {
	if _, err := o.complete(); err != nil {
		return nil, err
	}
	return func(ctx context.Context, opened checkpoint.CompletedOptions) (checkpoint.Completed, error) {
		o := o
		o.Logger = cmp.Or(o.Logger, opened.Logger)
		s, err := Open(ctx, opened.Job, o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}, nil
}

// Open begins a session, creates the znodes of the job if the job is new, and takes the lead. It
// returns checkpoint.ErrLocked if another coordinator leads the job, unless Options.Wait is set;
// the leader may be a process that has died, until its session ends. It returns an error if no
// server answers within Options.Session. The caller closes the store.
func Open(ctx context.Context, job string, o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := snapshot.CheckName(job); err != nil {
		return nil, fmt.Errorf("zkstore: job name: %w: %w", checkpoint.ErrInvalidOption, err)
	}
	if o.Chroot == "" && job == reservedZnode {
		return nil, fmt.Errorf("zkstore: job name: %q is a znode of the servers, want another name or a chroot: %w", job, checkpoint.ErrInvalidOption)
	}
	credentials, err := o.Auth()
	if err != nil {
		return nil, err
	}
	acl, err := o.ACL.list(credentials)
	if err != nil {
		return nil, err
	}
	for {
		s := &Store{o: o, root: o.Chroot + "/" + job, acl: acl}
		s.lease = newLease(s.lostError)
		waited, err := s.open(ctx, credentials)
		if err == nil {
			return s, nil
		}
		if !waited || ctx.Err() != nil || !errors.Is(err, checkpoint.ErrLockLost) {
			return nil, err
		}
		o.Logger.Warn("the session of a coordinator that waits has expired", "job", job)
	}
}

// open connects, prepares the znodes and takes the lead. waited reports that it has waited for
// another leader.
func (s *Store) open(ctx context.Context, credentials Credentials) (waited bool, err error) {
	connecting, cancel := context.WithTimeoutCause(ctx, s.o.Session, fmt.Errorf("no server has answered within %v", s.o.Session))
	defer cancel()
	if s.conn, err = s.connect(connecting); err != nil {
		return false, s.o.pathError("connect", s.root, err)
	}
	defer func() {
		if err != nil {
			s.lose("the store is closed")
			s.keeper.Go(s.conn.Close)
			s.awaitRequests()
		}
	}()
	if err = s.authenticate(connecting, credentials); err != nil {
		return false, err
	}
	if err = s.prepare(connecting); err != nil {
		return false, err
	}
	if !s.o.Wait {
		ctx = connecting
	}
	if waited, err = s.lead(ctx); err != nil {
		return waited, err
	}
	s.keeper.Go(s.keep)
	return waited, nil
}

// connect begins a session. The library looks up the servers' addresses before it returns, so a
// goroutine waits for it.
func (s *Store) connect(ctx context.Context) (client, error) {
	type answer struct {
		conn client
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		conn, err := s.o.connect(s.o, func() { s.lose("the session has expired") })
		answers <- answer{conn, err}
	}()
	select {
	case a := <-answers:
		return a.conn, a.err
	case <-ctx.Done():
		go func() {
			if a := <-answers; a.err == nil {
				a.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// authenticate presents the credentials.
func (s *Store) authenticate(ctx context.Context, c Credentials) error {
	if c == (Credentials{}) {
		return nil
	}
	return s.run(ctx, "authenticate", s.root, func() error {
		return tell(ctx, s, func(conn client) error { return conn.AddAuth("digest", []byte(c.User+":"+c.Password)) })
	})
}

// prepare creates the znodes of the chroot and of the job if they do not exist.
func (s *Store) prepare(ctx context.Context) error {
	parts := strings.Split(strings.TrimPrefix(s.o.Chroot, "/"), "/")
	for i := range parts {
		path := "/" + strings.Join(parts[:i+1], "/")
		if path == "/" {
			continue
		}
		if err := s.run(ctx, "create", path, func() error {
			exists, err := s.exists(ctx, path)
			if err != nil || exists {
				return err
			}
			return s.ifAbsent(tell(ctx, s, func(c client) error {
				_, err := c.Create(path, nil, 0, s.acl)
				return err
			}))
		}); err != nil {
			return err
		}
	}
	return s.run(ctx, "create", s.root, func() error {
		exists, err := s.exists(ctx, s.attemptPath())
		if err != nil || exists {
			return err
		}
		create := func(path string, data []byte) *zk.CreateRequest {
			return &zk.CreateRequest{Path: path, Data: data, Acl: s.acl}
		}
		err = s.multi(ctx, create(s.root, nil), create(s.completedPath(), nil),
			create(s.attemptPath(), encodeNumber(0)), create(s.idsPath(), encodeNumber(1)))
		if !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
		// Another coordinator, or an earlier step, has created the job; or the znode is another one.
		if exists, err = s.exists(ctx, s.attemptPath()); err == nil && !exists {
			err = errNotJob
		}
		return err
	})
}

// ifAbsent returns the error of a creation, or nil if the znode exists: another coordinator, or an
// earlier step, has created it.
func (s *Store) ifAbsent(err error) error {
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

// lead creates the znode of the leader. waited reports that another leader was in the way.
func (s *Store) lead(ctx context.Context) (waited bool, err error) {
	host, _ := os.Hostname() // for people only
	me := fmt.Sprintf("host %s, process %d, owner %s", host, os.Getpid(), rand.Text())
	err = s.run(ctx, "lock", s.leaderPath(), func() error {
		err := tell(ctx, s, func(c client) error {
			_, err := c.Create(s.leaderPath(), []byte(me), zk.FlagEphemeral, s.acl)
			return err
		})
		if err = s.ifAbsent(err); err != nil {
			return err
		}
		asked := time.Now()
		leader, err := s.get(ctx, s.leaderPath())
		switch {
		case errors.Is(err, zk.ErrNoNode):
			return errAgain
		case err != nil:
			return err
		case leader.stat.EphemeralOwner == s.conn.SessionID():
			s.lease.extend(asked, s.timeout())
			return nil
		case !s.o.Wait:
			return fmt.Errorf("it is led by %.200q; if that process has died, its session ends by its timeout: %w",
				leader.data, checkpoint.ErrLocked)
		}
		if !waited {
			s.o.Logger.Info("another coordinator leads the job", "znode", s.leaderPath(), "leader", fmt.Sprintf("%.200q", leader.data))
		}
		waited = true
		return s.waitForChange(ctx)
	})
	return waited, err
}

// waitForChange waits until the znode of another leader changes, and returns errAgain.
func (s *Store) waitForChange(ctx context.Context) error {
	events, err := ask(ctx, s, func(c client) (<-chan zk.Event, error) {
		exists, _, events, err := c.ExistsW(s.leaderPath())
		if err == nil && !exists {
			err = errAgain
		}
		return events, err
	})
	if err != nil {
		return err
	}
	select {
	case <-events:
	case <-ctx.Done():
	case <-s.lease.over:
	}
	return errAgain
}

// timeout returns the session timeout that the servers chose.
func (s *Store) timeout() time.Duration { return max(s.conn.Timeout(), time.Millisecond) }

// keep extends the lease by heartbeats until the lease is over, and then ends the session.
func (s *Store) keep() {
	defer s.conn.Close()
	ctx := context.Background()
	for {
		timer := time.NewTimer(s.timeout() / heartbeatsPerSession)
		select {
		case <-timer.C:
		case <-s.lease.over:
			timer.Stop()
			return
		}
		if s.enter() != nil {
			continue // the lease is over
		}
		asked := time.Now()
		owner, err := ask(ctx, s, func(c client) (int64, error) {
			exists, stat, err := c.Exists(s.leaderPath())
			if err != nil || !exists {
				return 0, err
			}
			return stat.EphemeralOwner, nil
		})
		s.requests.Done()
		switch {
		case errors.Is(err, zk.ErrSessionExpired):
			s.lose("the session has expired")
		case err != nil: // a hiccup: the lease decides
		case owner != s.conn.SessionID():
			s.lose("the znode of the leader was removed")
		default:
			s.lease.extend(asked, s.timeout())
		}
	}
}

// lose ends the lease.
func (s *Store) lose(reason string) { s.lease.lose(reason) }

// lostError returns the error for a lease that is over.
func (s *Store) lostError(reason string) error {
	return s.o.pathError("lock", s.leaderPath(), fmt.Errorf("%s: %w", reason, checkpoint.ErrLockLost))
}

const (
	// heartbeatsPerSession is the number of heartbeats in one session timeout.
	heartbeatsPerSession = 10
	// The lease is leaseTenths tenths of the session timeout. The rest is a margin for clocks that
	// run at different speeds, and for the time between Check and the change that follows it. So
	// the leader survives without an answer for 7 to 8 tenths of the session timeout.
	leaseTenths = 8
)

// lease is the time for which a leader may regard itself as such without hearing from a server.
//
// Problem: a leader that is cut off from the servers does not learn that its session has expired.
//
// Idea: the servers count the session timeout from the last request that reached them. An answer
// proves that its request did, so the session lives for at least the timeout after the moment
// before the request was sent, by the leader's own clock.
//
//	leader   ask ---------- answer                    lease over
//	          |               |                           |
//	          |<------------- 0.8 timeout --------------->|
//	servers       request |<-------------- timeout ---------------->| session expires,
//	                                                                  another may lead
//
// Invariant: once the lease is over it stays over, even if an answer arrives later.
//
// The clock is Go's monotonic clock, which on some systems stands still while the machine is
// suspended. After such a pause a leader may take itself for the leader until the next answer. The
// version of the attempt fences it all the same: see Store.
//
// Thread safety: safe for concurrent use.
type lease struct {
	over  chan struct{} // closed when the lease is over
	error func(reason string) error

	mu    sync.Mutex
	until time.Time   // zero before the first answer: no limit
	timer *time.Timer // ends the lease at until
	lost  error       // nil, or why the lease is over
}

// newLease returns a lease without a limit. lost makes the error for its end.
func newLease(lost func(reason string) error) *lease {
	return &lease{over: make(chan struct{}), error: lost}
}

// extend lets the lease last until 0.8 timeouts after asked, the time before a request that was
// answered.
func (l *lease) extend(asked time.Time, timeout time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := asked.Add(timeout * leaseTenths / 10)
	if l.checkLocked() != nil || until.Before(l.until) {
		return
	}
	l.until = until
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(time.Until(until), func() { _ = l.check() })
}

// check returns an error once the lease is over.
func (l *lease) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkLocked()
}

// checkLocked is check with the mutex held.
func (l *lease) checkLocked() error {
	if l.lost == nil && !l.until.IsZero() && !time.Now().Before(l.until) {
		l.end("no server has answered for most of the session timeout")
	}
	return l.lost
}

// lose ends the lease.
func (l *lease) lose(reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.end(reason)
	}
}

// end ends the lease. The mutex is held.
func (l *lease) end(reason string) {
	l.lost = l.error(reason)
	close(l.over)
	if l.timer != nil {
		l.timer.Stop()
	}
}
