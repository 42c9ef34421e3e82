package hdfsstore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// connections are the network connections of one session. It makes three repairs to the library:
// each read and write has a deadline, kill ends them all, and a connection to a DataNode that has
// failed does not leave a goroutine behind (see dataConn).
type connections struct {
	timeout time.Duration
	ctx     context.Context // ends at kill
	cancel  context.CancelFunc
	broken  atomic.Bool // the connection to the NameNode has failed

	mu        sync.Mutex
	open      map[net.Conn]bool // without their wrappers
	dataError error             // the first error of a connection to a DataNode
	strange   bool              // a server has answered that is no NameNode
	missing   int               // dials of a host name that does not exist
	others    int               // other dials
}

// dialSession connects to the active NameNode. It returns when ctx ends, even if a Kerberos server
// does not answer.
func dialSession(ctx context.Context, o Options, library hdfs.ClientOptions) (*session, error) {
	c := &connections{timeout: o.Timeout, open: make(map[net.Conn]bool)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	library.NamenodeDialFunc, library.DatanodeDialFunc = c.dialNameNode, c.dialDataNode
	type result struct {
		client *hdfs.Client
		err    error
	}
	connected := make(chan result, 1)
	go func() {
		client, err := hdfs.NewClient(library)
		connected <- result{client, err}
	}()
	select {
	case r := <-connected:
		if r.err != nil {
			c.kill()
			if c.isHopeless() {
				r.err = hopeless{r.err}
			}
			return nil, r.err
		}
		return &session{
			client: &libraryClient{r.client, o.Replication, o.BlockBytes, library.DataTransferProtection},
			kill:   c.kill, isBroken: c.broken.Load, isHopeless: c.isHopeless, takeDataError: c.takeDataError,
		}, nil
	case <-ctx.Done():
		c.kill()
		go func() {
			if r := <-connected; r.err == nil {
				_ = r.client.Close()
			}
		}()
		return nil, stopped{cause: context.Cause(ctx)}
	}
}

// dial connects to a server. The library passes a context that never ends.
func (c *connections) dial(network, address string, wrap func(net.Conn) net.Conn) (net.Conn, error) {
	d := net.Dialer{Timeout: c.timeout}
	raw, err := d.DialContext(c.ctx, network, address)
	c.noteDial(err)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, errors.Join(c.ctx.Err(), raw.Close())
	}
	c.open[raw] = true
	return wrap(raw), nil
}

// noteDial counts a dial.
func (c *connections) noteDial(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lookup *net.DNSError
	if errors.As(err, &lookup) && lookup.IsNotFound {
		c.missing++
	} else {
		c.others++
	}
}

// isHopeless reports whether connecting again would fail in the same way: no server has a host name
// that exists, or a server has answered that is no NameNode. Errors of the library do not wrap their
// reason.
func (c *connections) isHopeless() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missing > 0 && c.others == 0 || c.strange && c.others == 1
}

// noteStrange remembers that a server has answered that is no NameNode.
func (c *connections) noteStrange() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strange = true
}

func (c *connections) dialNameNode(_ context.Context, network, address string) (net.Conn, error) {
	return c.dial(network, address, func(raw net.Conn) net.Conn { return &nameConn{timedConn: timedConn{raw, c}} })
}

func (c *connections) dialDataNode(_ context.Context, network, address string) (net.Conn, error) {
	return c.dial(network, address, func(raw net.Conn) net.Conn {
		d := &dataConn{timedConn: timedConn{raw, c}}
		d.in = bufio.NewReaderSize(&d.timedConn, dataBufferBytes)
		return d
	})
}

// dataBufferBytes is the size of the buffer for packets of a DataNode. A packet has 64 KiB of data,
// and the library reads its parts separately.
const dataBufferBytes = 128 << 10

// kill closes all connections and prevents new ones.
func (c *connections) kill() {
	c.cancel()
	c.broken.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for raw := range c.open {
		_ = raw.Close()
	}
}

// noteDataError remembers the first error of a connection to a DataNode.
func (c *connections) noteDataError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dataError == nil {
		c.dataError = err
	}
}

// takeDataError returns the remembered error and forgets it.
func (c *connections) takeDataError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.dataError
	c.dataError = nil
	return err
}

// timedConn is a connection with a deadline for each read and write. It ignores deadlines that the
// library sets: none of them is in use.
type timedConn struct {
	net.Conn
	c *connections
}

func (t *timedConn) Read(p []byte) (int, error) {
	if err := t.Conn.SetReadDeadline(time.Now().Add(t.c.timeout)); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

func (t *timedConn) Write(p []byte) (int, error) {
	if err := t.Conn.SetWriteDeadline(time.Now().Add(t.c.timeout)); err != nil {
		return 0, err
	}
	return t.Conn.Write(p)
}

// Close closes the connection.
func (t *timedConn) Close() error {
	t.c.mu.Lock()
	delete(t.c.open, t.Conn)
	t.c.mu.Unlock()
	return t.Conn.Close()
}

func (t *timedConn) SetDeadline(time.Time) error      { return nil }
func (t *timedConn) SetReadDeadline(time.Time) error  { return nil }
func (t *timedConn) SetWriteDeadline(time.Time) error { return nil }

// nameConn is a connection to a NameNode. After an error, requests and answers may not match any
// more, so the session must not be used again.
//
// The library allocates as many bytes as an answer claims to have. So nameConn reads the length of
// each answer first, and refuses one that no NameNode sends: the server is another one.
type nameConn struct {
	timedConn
	head [4]byte // length of the answer that is being read
	read int     // bytes of head that were read
	left int64   // bytes of the answer that were not read
}

// maxAnswer is the limit for answers in Hadoop's own client: ipc.maximum.response.length.
const maxAnswer = 128 << 20

func (n *nameConn) Read(p []byte) (count int, err error) {
	if n.left == 0 {
		count, err = n.timedConn.Read(p[:min(len(p), len(n.head)-n.read)])
		n.read += copy(n.head[n.read:], p[:count])
		if n.read == len(n.head) {
			n.read, n.left = 0, int64(binary.BigEndian.Uint32(n.head[:]))
			if n.left > maxAnswer {
				n.c.noteStrange()
				count = 0 // a caller that has its bytes ignores the error
				err = fmt.Errorf("an answer of %d bytes is no answer of a NameNode", n.left)
			}
		}
	} else {
		count, err = n.timedConn.Read(p[:min(int64(len(p)), n.left)])
		n.left -= int64(count)
	}
	if err != nil {
		n.c.broken.Store(true)
	}
	return count, err
}

func (n *nameConn) Write(p []byte) (int, error) {
	count, err := n.timedConn.Write(p)
	if err != nil {
		n.c.broken.Store(true)
	}
	return count, err
}

// dataConn is a connection to a DataNode.
//
// The library's writer of a block ends its goroutine only after it has sent the last packet, and
// gives up before that if a write fails. So a write that fails here reports success and is
// remembered: the writer sends its last packet, the read of the acknowledgement fails, and the
// writer returns that error with its goroutine ended.
//
// Thread safety: one reader and one writer at a time, as the library has.
type dataConn struct {
	timedConn
	in     *bufio.Reader
	closed atomic.Bool
}

func (d *dataConn) Read(p []byte) (int, error) {
	n, err := d.in.Read(p)
	if err != nil {
		d.fail(err)
	}
	return n, err
}

func (d *dataConn) Write(p []byte) (int, error) {
	if _, err := d.timedConn.Write(p); err != nil {
		d.fail(err)
	}
	return len(p), nil
}

// fail ends the connection after an error. Errors after the library has closed it do not count: a
// last heartbeat may be under way.
func (d *dataConn) fail(err error) {
	if !d.closed.Load() {
		d.c.noteDataError(err)
	}
	_ = d.Conn.Close()
}

// Close closes the connection.
func (d *dataConn) Close() error {
	d.closed.Store(true)
	return d.timedConn.Close()
}
