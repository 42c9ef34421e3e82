package zkstore

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

// connection is a client on a *zk.Conn.
//
// Once a session has expired, the library begins a new one without being asked, and sends the
// requests that still wait. A leader must not: its requests belong to the session in which it
// leads. So the connection's dialer refuses to dial once the session has expired. The dialer also
// does three things that the library has no option for: it reads the timeout that the servers
// chose, it limits the time for the answer of a server that hangs, and it interrupts such a wait at
// Close.
type connection struct {
	*zk.Conn
	dialer *dialer
	events <-chan zk.Event
}

const (
	// maxAnswerBytes is the maximum size of an answer: 10,000 names of entries have 230 KB.
	maxAnswerBytes = 1 << 20
	// maxRequestBytes is the maximum size of a request. The store's have less than 1 KB.
	maxRequestBytes = 64 << 10
)

// connect implements connector.
func connect(o Options, expired func()) (client, error) {
	d := &dialer{patience: o.Session / 3}
	conn, events, err := zk.Connect(o.Servers, o.Session,
		zk.WithDialer(d.dial),
		zk.WithLogger(zkLogger{o.Logger}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(maxAnswerBytes), zk.WithMaxConnBufferSize(maxRequestBytes),
		zk.WithEventCallback(func(e zk.Event) {
			if e.State == zk.StateExpired && d.stop() {
				expired()
			}
		}),
	)
	if err != nil {
		return nil, err
	}
	return &connection{conn, d, events}, nil
}

// Timeout implements client.
func (c *connection) Timeout() time.Duration {
	return time.Duration(c.dialer.timeoutMillis.Load()) * time.Millisecond
}

// Close implements client.
func (c *connection) Close() {
	c.Conn.Close() // waits up to 1 s for the answer
	c.dialer.stop()
	for range c.events { // closed when the library's goroutines have ended
	}
}

// Multi implements client.
func (c *connection) Multi(ops ...any) ([]zk.MultiResponse, error) { return c.Conn.Multi(ops...) }

// dialer makes the network connections of one session.
type dialer struct {
	patience      time.Duration // maximum time for the first answer of a server
	timeoutMillis atomic.Int32  // the session timeout that the servers chose

	mu      sync.Mutex
	stopped bool
	current net.Conn // nil, or the newest connection
}

// stop closes the current connection and makes the dialer refuse others. It reports whether the
// dialer was not stopped before.
func (d *dialer) stop() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.stopped = true
	if d.current != nil {
		_ = d.current.Close()
	}
	return true
}

// dial implements zk.Dialer.
func (d *dialer) dial(network, address string, timeout time.Duration) (net.Conn, error) {
	d.mu.Lock()
	stopped := d.stopped
	d.mu.Unlock()
	if stopped {
		return nil, net.ErrClosed
	}
	c, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	d.current = c
	return &link{Conn: c, dialer: d}, nil
}

// connectAnswerBytes is the length of the beginning of a server's first answer: the length of the
// answer, the version of the protocol, and the session timeout in milliseconds, 4 bytes each. The
// timeout is 0 if the session has expired.
const connectAnswerBytes = 12

// link is one network connection. It reads along until it knows the session timeout.
type link struct {
	net.Conn
	dialer *dialer
	answer []byte // the first connectAnswerBytes of the server's first answer
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if missing := connectAnswerBytes - len(l.answer); missing > 0 {
		l.answer = append(l.answer, p[:min(n, missing)]...)
		if len(l.answer) == connectAnswerBytes {
			if millis := int32(binary.BigEndian.Uint32(l.answer[8:])); millis > 0 {
				l.dialer.timeoutMillis.Store(millis)
			}
		}
	}
	return n, err
}

// SetReadDeadline implements net.Conn. The library waits without limit for the rest of the first
// answer, and ten times longer than for any other answer for its beginning.
func (l *link) SetReadDeadline(t time.Time) error {
	if len(l.answer) < connectAnswerBytes {
		if most := time.Now().Add(l.dialer.patience); t.IsZero() || t.After(most) {
			t = most
		}
	}
	return l.Conn.SetReadDeadline(t)
}

// zkLogger passes the messages of the library to a logger.
type zkLogger struct{ *slog.Logger }

// Printf implements zk.Logger.
func (l zkLogger) Printf(format string, args ...any) {
	l.Debug("zookeeper client", "message", fmt.Sprintf(format, args...))
}
