package zkstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/weirstate/weir/checkpoint"
)

// Store is the completed store of one job, held by the coordinator that leads the job.
//
// Problem: several machines may start a coordinator for one job. A machine that hangs for a minute
// and wakes up must not complete or remove a checkpoint any more if another has taken over, and no
// interruption of the network may ever lose a checkpoint. The store has no lock in the checkpoint
// storage to rely on, and no two clocks that agree.
//
// Idea: three numbers in ZooKeeper, each changed by one atomic request.
//
//	<chroot>/<job>/leader       ephemeral: exists while the session of its creator lives
//	              /attempt      number of the newest attempt; the version of the znode fences
//	              /ids          the next checkpoint ID that is not reserved
//	              /completed/0000000000000000042   entry of checkpoint 42, 52 bytes
//
//	coordinator A                   ensemble                      coordinator B
//	create leader ----------------> leader = A
//	set attempt 7, if version 6 --> version 7
//	check version 7 + create 42 --> entry 42
//	   . . . hangs . . .            session of A expires
//	                                leader vanishes
//	                                leader = B <----------------- create leader
//	                                version 8 <------------------ set attempt 8, if version 7
//	check version 7 + create 43 --> refused: ErrFenced
//	check version 7 + delete 42 --> refused: ErrFenced
//
// Commit and Remove carry the version of their attempt in the same transaction (multi) as the
// change of the entry, so fencing does not depend on clocks. Objects are removed only after the
// entry that refers to them, under names that contain the attempt and an ID that no other
// coordinator gets (ReserveIDs). So removals of a fenced coordinator that are still under way
// concern only objects that nothing refers to.
//
// The leader also stops on its own, early enough: see lease. This saves a second coordinator work,
// and is the answer of Check.
//
// Invariant: no request changes an entry except Commit, which creates it, and Remove.
//
// Invariant: the four znodes of a job are created in one transaction, and never again. A znode
// that is missing later is an error, not an empty store.
//
// Invariant: all requests of a Store belong to one session. Once that has expired, every operation
// returns checkpoint.ErrLockLost; a new coordinator opens a new Store.
//
// Invariant: a request without an answer is repeated until the context or the session ends, and in
// a form that the first one does not disturb: a compare-and-set reads again and burns a number, a
// delete finds nothing, and Commit compares the entry that it finds with its own.
//
// Cost: Begin and ReserveIDs take a read and a write each, Commit and Remove one write, List one
// read and one more per entry. A heartbeat reads one znode, 10 times per session timeout. The
// session has a network connection and four goroutines.
//
// Source: fencing by a number that grows with each leader is described in Burrows, "The Chubby lock
// service" (2006), as sequencers; leadership by an ephemeral znode in Hunt et al., "ZooKeeper:
// Wait-free coordination for Internet-scale systems" (2010).
//
// Thread safety: safe for concurrent use.
type Store struct {
	o     Options
	root  string // path of the job's znode
	acl   []zk.ACL
	conn  client
	lease *lease

	requests sync.WaitGroup // operations, and requests that are not answered yet
	keeper   sync.WaitGroup // the goroutine that keeps the lease

	mu     sync.Mutex
	closed bool
	begun  attempt // the newest attempt of this Store
}

var (
	_ checkpoint.Completed     = (*Store)(nil)
	_ checkpoint.LockChecker   = (*Store)(nil)
	_ checkpoint.IDReserver    = (*Store)(nil)
	_ checkpoint.NewJobChecker = (*Store)(nil)
)

// attempt is a number and the version of the znode that holds it.
type attempt struct {
	number  checkpoint.AttemptID // 0 before the first Begin
	version int32
}

// The znodes of a job.
func (s *Store) leaderPath() string    { return s.root + "/leader" }
func (s *Store) attemptPath() string   { return s.root + "/attempt" }
func (s *Store) idsPath() string       { return s.root + "/ids" }
func (s *Store) completedPath() string { return s.root + "/completed" }
func (s *Store) entryPath(id checkpoint.ID) string {
	return fmt.Sprintf("%s/%0*d", s.completedPath(), numberDigits, uint64(id))
}

const (
	numberDigits = 19                  // digits of an ID in the name of an entry
	maxNumber    = 9999999999999999999 // the highest number with so many digits
	maxEntry     = 4 << 10             // maximum size of an entry, of any version
)

// enter begins an operation. It returns checkpoint.ErrClosed after Close.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return checkpoint.ErrClosed
	}
	s.requests.Add(1)
	return nil
}

// run takes the step of an operation until the outcome is known. path is the znode that errors
// name.
func (s *Store) run(ctx context.Context, op, path string, step func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.requests.Done()
	var last error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if err := s.stopReason(ctx); err != nil {
			if last != nil && last != errInterrupted {
				err = fmt.Errorf("%w: %w", err, last)
			}
			return s.o.pathError(op, path, err)
		}
		last = step()
		switch {
		case last == nil:
			return nil
		case errors.Is(last, zk.ErrSessionExpired):
			s.lose("the session has expired")
		case isFinal(last):
			return s.o.pathError(op, path, last)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.lease.over:
		}
		timer.Stop()
	}
}

// The pauses between two steps after a lost connection. The library itself waits for 1 s when it
// has tried all servers.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = time.Second
)

// stopReason returns the reason why an operation takes no further step, or nil.
func (s *Store) stopReason(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return checkpoint.ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return s.lease.check()
}

// ask sends a request and waits for the answer, or until the context or the session ends. In the
// second case the request may still be carried out.
func ask[T any](ctx context.Context, s *Store, request func(client) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	s.requests.Add(1) // the caller has entered, so Close is not waiting yet
	go func() {
		defer s.requests.Done()
		value, err := request(s.conn)
		answers <- answer{value, serverError(err)}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
	case <-s.lease.over:
	}
	var none T
	return none, errInterrupted
}

// tell is ask for a request without a result.
func tell(ctx context.Context, s *Store, request func(client) error) error {
	_, err := ask(ctx, s, func(c client) (struct{}, error) { return struct{}{}, request(c) })
	return err
}

// znode is the content of a znode.
type znode struct {
	data []byte
	stat zk.Stat
}

// get reads a znode.
func (s *Store) get(ctx context.Context, path string) (znode, error) {
	return ask(ctx, s, func(c client) (znode, error) {
		data, stat, err := c.Get(path)
		if err != nil {
			return znode{}, err
		}
		return znode{data, *stat}, nil
	})
}

// number reads a znode that holds a number.
func (s *Store) number(ctx context.Context, path string) (n uint64, version int32, err error) {
	node, err := s.get(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	n, err = decodeNumber(node.data)
	return n, node.stat.Version, err
}

// decodeNumber decodes a number that encodeNumber has encoded.
func decodeNumber(data []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil || n > maxNumber || !bytes.Equal(data, encodeNumber(n)) {
		return 0, fmt.Errorf("%d bytes, want a number up to %d: %w", len(data), uint64(maxNumber), checkpoint.ErrCorrupt)
	}
	return n, nil
}

// encodeNumber encodes a number as decimal digits.
func encodeNumber(n uint64) []byte { return strconv.AppendUint(nil, n, 10) }

// replace changes a number with a compare-and-set. It returns the version after the change, and
// errAgain if the znode has another version.
func (s *Store) replace(ctx context.Context, path string, n uint64, version int32) (int32, error) {
	next, err := ask(ctx, s, func(c client) (int32, error) {
		stat, err := c.Set(path, encodeNumber(n), version)
		if err != nil {
			return 0, err
		}
		return stat.Version, nil
	})
	if errors.Is(err, zk.ErrBadVersion) {
		err = errAgain
	}
	return next, err
}

// Begin implements checkpoint.Completed.
func (s *Store) Begin(ctx context.Context) (checkpoint.AttemptID, error) {
	var begun attempt
	err := s.run(ctx, "begin", s.attemptPath(), func() error {
		n, version, err := s.number(ctx, s.attemptPath())
		if err != nil {
			return err
		}
		if n == maxNumber {
			return fmt.Errorf("attempt %d has the highest possible number: %w", n, checkpoint.ErrCorrupt)
		}
		begun.number = checkpoint.AttemptID(n + 1)
		begun.version, err = s.replace(ctx, s.attemptPath(), n+1, version)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if begun.number > s.begun.number {
		s.begun = begun
	}
	return begun.number, nil
}

// newest returns the newest attempt of this Store.
func (s *Store) newest() attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

// versionOf returns the version of the attempt's znode while the attempt is the newest one.
func (s *Store) versionOf(ctx context.Context, number checkpoint.AttemptID) (int32, error) {
	if begun := s.newest(); begun.number == number {
		return begun.version, nil
	}
	newest, version, err := s.number(ctx, s.attemptPath())
	switch {
	case err != nil:
		return 0, err
	case newest > uint64(number):
		return 0, fmt.Errorf("attempt %d has begun: %w", newest, checkpoint.ErrFenced)
	case newest < uint64(number):
		return 0, fmt.Errorf("attempt %d has not begun, the newest one is %d: %w", number, newest, checkpoint.ErrInvalid)
	}
	return version, nil
}

// Commit implements checkpoint.Completed.
func (s *Store) Commit(ctx context.Context, e checkpoint.Entry) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%w: %w", checkpoint.ErrInvalid, err)
	}
	path, data := s.entryPath(e.ID), e.Encode()
	inDoubt := false // an earlier step may have created the entry
	return s.run(ctx, "commit", path, func() error {
		version, err := s.versionOf(ctx, e.Attempt)
		if err == nil {
			err = s.multi(ctx, &zk.CheckVersionRequest{Path: s.attemptPath(), Version: version},
				&zk.CreateRequest{Path: path, Data: data, Acl: s.acl})
		}
		switch {
		case errors.Is(err, zk.ErrBadVersion):
			err = fmt.Errorf("attempt %d cannot commit: %w", e.Attempt, checkpoint.ErrFenced)
		case errors.Is(err, zk.ErrNodeExists):
			err = fs.ErrExist
		case err != nil && !isFinal(err):
			inDoubt = true
		}
		if inDoubt && (errors.Is(err, checkpoint.ErrFenced) || errors.Is(err, fs.ErrExist)) {
			return s.findOwn(ctx, path, data, err)
		}
		return err
	})
}

// findOwn returns nil if an entry has the given content, and otherwise err. It decides about a
// Commit that was repeated: the entry that is in the way may be its own.
func (s *Store) findOwn(ctx context.Context, path string, data []byte, err error) error {
	found, failed := s.get(ctx, path)
	switch {
	case errors.Is(failed, zk.ErrNoNode):
		if errors.Is(err, fs.ErrExist) {
			return errAgain // it was removed since
		}
		return err
	case failed != nil:
		return failed
	case bytes.Equal(found.data, data):
		return nil
	}
	return err
}

// multi carries out a transaction.
func (s *Store) multi(ctx context.Context, ops ...any) error {
	return tell(ctx, s, func(c client) error {
		_, err := c.Multi(ops...)
		return err
	})
}

// List implements checkpoint.Completed. The session has written before, so that its reads include
// everything that earlier leaders have written, on any server. The result is the list at one
// moment: if an entry is removed while List reads the others, List begins again.
func (s *Store) List(ctx context.Context) ([]checkpoint.Entry, error) {
	var entries []checkpoint.Entry
	err := s.run(ctx, "list", s.completedPath(), func() error {
		entries = nil
		names, err := ask(ctx, s, func(c client) ([]string, error) {
			names, _, err := c.Children(s.completedPath())
			return names, err
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			id, ok := parseID(name)
			if !ok {
				continue
			}
			e, err := s.read(ctx, id)
			switch {
			case errors.Is(err, zk.ErrNoNode): // removed since
				return errAgain
			case err != nil:
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b checkpoint.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return entries, nil
}

// parseID parses the name of an entry.
func parseID(name string) (checkpoint.ID, bool) {
	n, err := strconv.ParseUint(name, 10, 64)
	return checkpoint.ID(n), err == nil && n > 0 && fmt.Sprintf("%0*d", numberDigits, n) == name
}

// read reads an entry. A damaged entry is returned with Err set.
func (s *Store) read(ctx context.Context, id checkpoint.ID) (checkpoint.Entry, error) {
	node, err := s.get(ctx, s.entryPath(id))
	if err != nil {
		return checkpoint.Entry{}, err
	}
	var e checkpoint.Entry
	if len(node.data) > maxEntry {
		err = fmt.Errorf("%d bytes, want at most %d: %w", len(node.data), maxEntry, checkpoint.ErrCorrupt)
	} else {
		e, err = checkpoint.DecodeEntry(node.data)
	}
	if err == nil && e.ID != id {
		err = fmt.Errorf("it names checkpoint %d, want %d: %w", e.ID, id, checkpoint.ErrCorrupt)
	}
	if err != nil {
		return checkpoint.Entry{ID: id, Err: s.o.pathError("read", s.entryPath(id), err)}, nil
	}
	return e, nil
}

// Remove implements checkpoint.Completed. It returns checkpoint.ErrFenced if an attempt of another
// coordinator has begun after the newest one of this Store.
func (s *Store) Remove(ctx context.Context, id checkpoint.ID) error {
	path := s.entryPath(id)
	return s.run(ctx, "remove", path, func() error {
		ops := []any{&zk.DeleteRequest{Path: path, Version: -1}}
		if begun := s.newest(); begun.number > 0 {
			ops = append([]any{&zk.CheckVersionRequest{Path: s.attemptPath(), Version: begun.version}}, ops...)
		}
		err := s.multi(ctx, ops...)
		switch {
		case errors.Is(err, zk.ErrBadVersion):
			return fmt.Errorf("a later attempt has begun: %w", checkpoint.ErrFenced)
		case errors.Is(err, zk.ErrNoNode): // the entry's, or that of the attempt
			exists, err := s.exists(ctx, path)
			if err == nil && exists {
				err = zk.ErrNoNode
			}
			return err
		}
		return err
	})
}

// exists reports whether a znode exists.
func (s *Store) exists(ctx context.Context, path string) (bool, error) {
	return ask(ctx, s, func(c client) (bool, error) {
		exists, _, err := c.Exists(path)
		return exists, err
	})
}

// ReserveIDs implements checkpoint.IDReserver.
func (s *Store) ReserveIDs(ctx context.Context, atLeast checkpoint.ID, n int) (first checkpoint.ID, err error) {
	if n < 1 {
		return 0, fmt.Errorf("reserve %d checkpoint IDs: want at least 1: %w", n, checkpoint.ErrInvalidOption)
	}
	err = s.run(ctx, "reserve", s.idsPath(), func() error {
		next, version, err := s.number(ctx, s.idsPath())
		if err != nil {
			return err
		}
		next = max(next, uint64(atLeast), 1)
		if next > maxNumber-uint64(n) {
			return fmt.Errorf("no %d checkpoint IDs are left from %d on: %w", n, next, checkpoint.ErrCorrupt)
		}
		first = checkpoint.ID(next)
		_, err = s.replace(ctx, s.idsPath(), next+uint64(n), version)
		return err
	})
	if err != nil {
		return 0, err
	}
	return first, nil
}

// IsNewJob implements checkpoint.NewJobChecker.
func (s *Store) IsNewJob(ctx context.Context) (isNew bool, err error) {
	err = s.run(ctx, "read", s.attemptPath(), func() error {
		n, _, err := s.number(ctx, s.attemptPath())
		isNew = n == 0
		return err
	})
	return isNew && err == nil, err
}

// Check implements checkpoint.LockChecker. It does no I/O: see lease.
func (s *Store) Check() error { return s.lease.check() }

// Close gives the job up and ends the session. It removes no entry. If no server can be reached,
// the session, and with it the leadership, ends by its timeout.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.lose("the store is closed")
	s.awaitRequests()
	return nil
}

// closeTimeout is the time for which Close waits for goroutines. The library waits for up to 3 s for
// the answer to the end of a session. A request that it receives, fails and refuses at the same time
// never returns: its channel has room for two answers.
const closeTimeout = 10 * time.Second

// awaitRequests waits until no request and no heartbeat is under way. The session has ended by
// then, or it ends by its timeout since its network connection is closed.
func (s *Store) awaitRequests() {
	ended := make(chan struct{})
	go func() {
		s.keeper.Wait()
		s.requests.Wait()
		close(ended)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.o.Logger.Warn("a request to ZooKeeper did not end; its goroutine remains", "znode", s.root)
	}
}
