package zkstore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"
)

// ensemble is a ZooKeeper in memory: znodes with versions, access control lists and owners,
// sessions, transactions and watches. A test chooses faults by the index of a request.
type ensemble struct {
	timeout time.Duration // of every session
	unstick chan struct{} // ends the calls that are stuck
	silent  bool          // requests are not answered; guarded by mu

	mu       sync.Mutex
	nodes    map[string]*node // values are never modified
	watches  map[string][]chan zk.Event
	sessions []*session
	requests int
	fault    func(index int, op, path string) fault // nil: none
}

// node is a znode. It is replaced on every change.
type node struct {
	data    []byte
	version int32
	owner   *session // nil unless it is ephemeral
	acl     []zk.ACL
}

// fault is what goes wrong with one request.
type fault int

const (
	none          fault = iota
	lostBefore          // the connection is lost before the request is carried out
	lostAfter           // the connection is lost before the answer
	expiresBefore       // the session expires before the request is carried out
	expiresAfter        // the session expires before the answer
	refused             // the access control list refuses the request
	overQuota           // a quota is exceeded
	throttled           // the server has too much to do
	hangs               // the request is never answered, and carried out when the session is closed
	late                // the answer arrives after lateness
	stuck               // the call does not return, even after Close, until the test closes unstick
)

// lateness is the time from a request to a late answer.
const lateness = 3 * time.Second

func newEnsemble() *ensemble {
	return &ensemble{timeout: 10 * time.Second, unstick: make(chan struct{}), nodes: map[string]*node{"/": {acl: zk.WorldACL(zk.PermAll)}},
		watches: make(map[string][]chan zk.Event)}
}

// options returns options of stores on the ensemble.
func (e *ensemble) options() Options {
	return Options{Servers: []string{"h1", "h2:2182"}, Chroot: "/weir/test", connect: e.connect,
		Auth: func() (Credentials, error) { return Credentials{}, nil }}
}

// open opens the store of the job "job".
func (e *ensemble) open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), "job", e.options())
	require.NoError(t, err)
	return s
}

// connect implements connector.
func (e *ensemble) connect(_ Options, expired func()) (client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &session{ensemble: e, id: int64(len(e.sessions) + 1), expired: expired, done: make(chan struct{})}
	e.sessions = append(e.sessions, s)
	return s, nil
}

// expire ends a session as its timeout does.
func (e *ensemble) expire(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end(s)
	go s.expired()
}

// end removes the ephemeral znodes of a session. The mutex is held.
func (e *ensemble) end(s *session) {
	s.ended = true
	for path, n := range e.nodes {
		if n.owner == s {
			delete(e.nodes, path)
			e.notify(path)
		}
	}
}

// notify fires the watches on a znode. The mutex is held.
func (e *ensemble) notify(path string) {
	for _, c := range e.watches[path] {
		c <- zk.Event{Path: path}
	}
	delete(e.watches, path)
}

// newest returns the session that began last.
func (e *ensemble) newest() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[len(e.sessions)-1]
}

// put replaces the content of a znode.
func (e *ensemble) put(path, data string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := *e.nodes[path]
	n.data = []byte(data)
	e.nodes[path] = &n
}

// remove removes a znode.
func (e *ensemble) remove(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.nodes, path)
	e.notify(path)
}

// setSilent starts or ends a time without answers.
func (e *ensemble) setSilent(silent bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.silent = silent
}

// failAt makes one request fail.
func (e *ensemble) failAt(index int, f fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = func(i int, _, _ string) fault {
		if i == index {
			return f
		}
		return none
	}
}

// loseAll starts or ends a time in which every connection is lost.
func (e *ensemble) loseAll(lose bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fault = nil
	if lose {
		e.fault = func(int, string, string) fault { return lostBefore }
	}
}

// asked returns the number of requests so far.
func (e *ensemble) asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests
}

// session is a client.
type session struct {
	ensemble *ensemble
	id       int64
	expired  func()
	user     string // the credentials
	ended    bool   // closed or expired
	done     chan struct{}
	close    sync.Once
}

func (s *session) SessionID() int64       { return s.id }
func (s *session) Timeout() time.Duration { return s.ensemble.timeout }

// Close implements client.
func (s *session) Close() {
	s.close.Do(func() {
		s.ensemble.mu.Lock()
		defer s.ensemble.mu.Unlock()
		if !s.ended && !s.ensemble.silent {
			s.ensemble.end(s)
		}
		close(s.done)
	})
}

// do carries out a request, with the fault that the test has chosen for it.
func (s *session) do(op, path string, request func() error) error {
	e := s.ensemble
	e.mu.Lock()
	defer e.mu.Unlock()
	f := none
	if e.fault != nil {
		f = e.fault(e.requests, op, path)
	}
	e.requests++
	if f == stuck {
		e.mu.Unlock()
		<-e.unstick
		e.mu.Lock()
		return zk.ErrConnectionClosed
	}
	if e.silent || f == hangs {
		e.mu.Unlock()
		<-s.done
		e.mu.Lock()
		if f == hangs && !e.silent {
			_ = request()
		}
		return zk.ErrConnectionClosed
	}
	select {
	case <-s.done:
		return zk.ErrConnectionClosed
	default:
	}
	switch {
	case s.ended:
		return zk.ErrSessionExpired
	case f == lostBefore:
		return zk.ErrConnectionClosed
	case f == refused:
		return zk.ErrNoAuth
	case f == late:
		err := request()
		e.mu.Unlock()
		time.Sleep(lateness)
		e.mu.Lock()
		return err
	case f == overQuota:
		return fmt.Errorf("unknown error: %v", zk.ErrCode(-125)) // like the library
	case f == throttled:
		return fmt.Errorf("unknown error: %v", zk.ErrCode(-127))
	case f == lostAfter:
		_ = request()
		return zk.ErrConnectionClosed
	case f == expiresBefore, f == expiresAfter:
		if f == expiresAfter {
			_ = request()
		}
		e.end(s)
		go s.expired()
		return zk.ErrSessionExpired
	}
	return request()
}

// find returns a znode that the session may use.
func (s *session) find(path string) (*node, error) {
	n, ok := s.ensemble.nodes[path]
	if !ok {
		return nil, zk.ErrNoNode
	}
	for _, a := range n.acl {
		if a.Scheme == "world" || a.Scheme == "digest" && a.ID == s.user {
			return n, nil
		}
	}
	return nil, zk.ErrNoAuth
}

// create creates a znode.
func (s *session) create(path string, data []byte, flags int32, acl []zk.ACL) error {
	parent := path[:max(1, strings.LastIndexByte(path, '/'))]
	if _, err := s.find(parent); err != nil {
		return err
	}
	if s.ensemble.nodes[path] != nil {
		return zk.ErrNodeExists
	}
	n := &node{data: slices.Clone(data), acl: slices.Clone(acl)}
	for i, a := range n.acl {
		if a.Scheme == "auth" {
			if s.user == "" {
				return zk.ErrInvalidACL
			}
			n.acl[i] = zk.ACL{Perms: a.Perms, Scheme: "digest", ID: s.user}
		}
	}
	if flags == zk.FlagEphemeral {
		n.owner = s
	}
	s.ensemble.nodes[path] = n
	return nil
}

// remove removes a znode.
func (s *session) remove(path string, version int32) error {
	n, err := s.find(path)
	switch {
	case err != nil:
		return err
	case version >= 0 && version != n.version:
		return zk.ErrBadVersion
	}
	delete(s.ensemble.nodes, path)
	s.ensemble.notify(path)
	return nil
}

// Create implements client.
func (s *session) Create(path string, data []byte, flags int32, acl []zk.ACL) (string, error) {
	return path, s.do("create", path, func() error { return s.create(path, data, flags, acl) })
}

// Get implements client.
func (s *session) Get(path string) (data []byte, stat *zk.Stat, err error) {
	err = s.do("get", path, func() error {
		n, err := s.find(path)
		if err == nil {
			data, stat = n.data, n.stat()
		}
		return err
	})
	return data, stat, err
}

func (n *node) stat() *zk.Stat {
	stat := &zk.Stat{Version: n.version}
	if n.owner != nil {
		stat.EphemeralOwner = n.owner.id
	}
	return stat
}

// Set implements client.
func (s *session) Set(path string, data []byte, version int32) (stat *zk.Stat, err error) {
	err = s.do("set", path, func() error {
		n, err := s.find(path)
		switch {
		case err != nil:
			return err
		case version != n.version:
			return zk.ErrBadVersion
		}
		next := *n
		next.data, next.version = slices.Clone(data), n.version+1
		s.ensemble.nodes[path] = &next
		stat = next.stat()
		return nil
	})
	return stat, err
}

// Exists implements client.
func (s *session) Exists(path string) (exists bool, stat *zk.Stat, err error) {
	err = s.do("exists", path, func() error {
		n, ok := s.ensemble.nodes[path]
		if exists = ok; ok {
			stat = n.stat()
		}
		return nil
	})
	return exists, stat, err
}

// ExistsW implements client.
func (s *session) ExistsW(path string) (exists bool, stat *zk.Stat, events <-chan zk.Event, err error) {
	err = s.do("watch", path, func() error {
		_, exists = s.ensemble.nodes[path]
		c := make(chan zk.Event, 1)
		s.ensemble.watches[path] = append(s.ensemble.watches[path], c)
		events = c
		return nil
	})
	return exists, stat, events, err
}

// Children implements client.
func (s *session) Children(path string) (names []string, stat *zk.Stat, err error) {
	err = s.do("children", path, func() error {
		n, err := s.find(path)
		if err != nil {
			return err
		}
		for other := range s.ensemble.nodes {
			if name, ok := strings.CutPrefix(other, path+"/"); ok && !strings.Contains(name, "/") {
				names = append(names, name)
			}
		}
		stat = n.stat()
		return nil
	})
	return names, stat, err
}

// Multi implements client.
func (s *session) Multi(ops ...any) ([]zk.MultiResponse, error) {
	return nil, s.do("multi", fmt.Sprint(len(ops)), func() error {
		before := maps.Clone(s.ensemble.nodes)
		for _, op := range ops {
			if err := s.apply(op); err != nil {
				s.ensemble.nodes = before
				return err
			}
		}
		return nil
	})
}

// apply carries out one operation of a transaction.
func (s *session) apply(op any) error {
	switch op := op.(type) {
	case *zk.CheckVersionRequest:
		n, err := s.find(op.Path)
		if err == nil && n.version != op.Version {
			err = zk.ErrBadVersion
		}
		return err
	case *zk.CreateRequest:
		return s.create(op.Path, op.Data, op.Flags, op.Acl)
	case *zk.DeleteRequest:
		return s.remove(op.Path, op.Version)
	}
	return fmt.Errorf("operation %T is not supported", op)
}

// AddAuth implements client.
func (s *session) AddAuth(scheme string, auth []byte) error {
	return s.do("auth", "", func() error {
		s.user = scheme + " of " + string(auth)
		return nil
	})
}
