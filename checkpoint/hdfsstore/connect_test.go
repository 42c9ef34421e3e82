package hdfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve listens on loopback and passes each connection to handle, until the test ends. The
// connections are closed then.
func serve(t *testing.T, handle func(net.Conn)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { _ = c.Close() })()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		end()
		require.NoError(t, l.Close())
		all.Wait()
	})
	return l.Addr().String()
}

// swallow reads and answers nothing.
func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestOpenSaysWhichServerDoesNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := l.Addr().String()
	require.NoError(t, l.Close())
	for name, address := range map[string]string{
		"nobody listens":           closed,
		"it closes the connection": serve(t, func(c net.Conn) {}),
		"it answers nothing":       serve(t, swallow),
		"it answers something else": serve(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"+strings.Repeat("x", 1000))
			swallow(c)
		}),
		"it answers with a huge length": serve(t, func(c net.Conn) {
			_, _ = c.Write([]byte{255, 255, 255, 255, 1})
			swallow(c)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Options{
				NameNodes: []string{address}, Path: "/a/b", User: "me", Attempts: 2, Timeout: 50 * time.Millisecond,
			})
			var p *fs.PathError
			require.ErrorAs(t, err, &p)
			require.Equal(t, "hdfs://"+address+"/a/b", p.Path)
			require.ErrorContains(t, err, "HDFS at "+address+" does not answer")
			require.NotErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	reason := errors.New("the job was canceled")
	for name, handle := range map[string]func(net.Conn, context.CancelCauseFunc){
		"while the server does not answer": func(c net.Conn, cancel context.CancelCauseFunc) {
			_, _ = c.Read(make([]byte, 1))
			cancel(reason)
			swallow(c)
		},
		"while it waits for the next attempt": func(c net.Conn, cancel context.CancelCauseFunc) {
			cancel(reason)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			address := serve(t, func(c net.Conn) { handle(c, cancel) })
			_, err := New(ctx, Options{NameNodes: []string{address}, Path: "/a", User: "me", Attempts: 1000})
			require.ErrorIs(t, err, reason)
		})
	}
}

// A server that accepts connections and answers nothing must not hold New for all attempts.
func TestOpenEndsWithItsTimeout(t *testing.T) {
	closed := func(net.Conn) {}
	for name, c := range map[string]struct {
		handle func(net.Conn)
		last   string
	}{
		"the server answers nothing": {swallow, ""},
		"the server closes at once":  {closed, "the last attempt: "},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, c.handle)
			_, err := New(t.Context(), Options{
				NameNodes: []string{address}, Path: "/a", User: "me", Attempts: 1000, Timeout: time.Hour, OpenTimeout: 200 * time.Millisecond,
			})
			var p *fs.PathError
			require.ErrorAs(t, err, &p)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "the context of the caller has not ended")
			for _, text := range []string{address, "200ms", "open-timeout", "1000 attempts", "1h0m0s", "see timeout", c.last} {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

// Another attempt would fail in the same way, so New makes none.
func TestHopelessAddressesAreNotTriedAgain(t *testing.T) {
	var connections atomic.Int32
	web := serve(t, func(c net.Conn) {
		connections.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"+strings.Repeat("x", 1000))
		swallow(c)
	})
	for address, want := range map[string]string{
		"no-such-host.invalid:8020": "HDFS at no-such-host.invalid:8020 does not answer",
		web:                         "no answer of a NameNode",
	} {
		_, err := New(t.Context(), Options{NameNodes: []string{address}, Path: "/a", User: "me", Attempts: 3})
		require.ErrorContains(t, err, want)
	}
	require.EqualValues(t, 1, connections.Load())
}

// A NameNode that starts again may have no name for a while, and a standby may be there.
func TestAHostNameThatIsMissingMayComeBack(t *testing.T) {
	c := &connections{}
	missing := &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}
	require.False(t, c.isHopeless())
	c.noteDial(missing)
	require.True(t, c.isHopeless())
	c.noteDial(errConnection)
	require.False(t, c.isHopeless(), "another NameNode exists")

	for _, opened := range []bool{false, true} {
		tries := 0
		s := &Store{options: Options{Attempts: 3}, opened: opened}
		err := s.retry(t.Context(), func() error { tries++; return hopeless{missing} })
		require.Error(t, err)
		require.Equal(t, map[bool]int{false: 1, true: 3}[opened], tries)
	}
}

// dialed returns the connections of a session and one of them, to a server.
func dialed(t *testing.T, dial func(*connections) func(context.Context, string, string) (net.Conn, error), handle func(net.Conn)) (*connections, net.Conn) {
	c := &connections{timeout: time.Minute, open: make(map[net.Conn]bool)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	t.Cleanup(c.kill)
	conn, err := dial(c)(t.Context(), "tcp", serve(t, handle))
	require.NoError(t, err)
	return c, conn
}

func toDataNode(c *connections) func(context.Context, string, string) (net.Conn, error) {
	return c.dialDataNode
}

func toNameNode(c *connections) func(context.Context, string, string) (net.Conn, error) {
	return c.dialNameNode
}

// The library's writer must be able to send its last packet after the connection has failed.
func TestWritesToADataNodeThatFailedReportSuccess(t *testing.T) {
	c, conn := dialed(t, toDataNode, func(net.Conn) {})
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	for range 3 {
		n, err := conn.Write([]byte("packet"))
		require.NoError(t, err)
		require.Equal(t, 6, n)
	}
	require.Error(t, c.takeDataError())
	require.NoError(t, c.takeDataError(), "it is returned once")
	require.False(t, c.broken.Load(), "the NameNode is another server")
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestErrorsAfterTheEndOfABlockDoNotCount(t *testing.T) {
	c, conn := dialed(t, toDataNode, swallow)
	require.NoError(t, conn.Close())
	_, err := conn.Write([]byte("heartbeat"))
	require.NoError(t, err)
	require.NoError(t, c.takeDataError())
}

func TestAFailedConnectionToTheNameNodeBreaksTheSession(t *testing.T) {
	c, conn := dialed(t, toNameNode, func(net.Conn) {})
	require.False(t, c.broken.Load())
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.True(t, c.broken.Load())
}

func TestKillEndsReadsAndDials(t *testing.T) {
	for _, dial := range []func(*connections) func(context.Context, string, string) (net.Conn, error){toDataNode, toNameNode} {
		c, conn := dialed(t, dial, swallow)
		ended := make(chan error)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
		c.kill()
		require.ErrorIs(t, <-ended, net.ErrClosed)
		_, err := dial(c)(t.Context(), "tcp", "127.0.0.1:1")
		require.ErrorIs(t, err, context.Canceled)
		_ = conn.Close() // it is closed already
	}
}

func TestAServerThatMakesNoProgressTimesOut(t *testing.T) {
	for _, dial := range []func(*connections) func(context.Context, string, string) (net.Conn, error){toDataNode, toNameNode} {
		c, conn := dialed(t, dial, swallow)
		c.timeout = time.Millisecond
		require.NoError(t, conn.SetDeadline(time.Time{}), "the library clears its deadlines")
		_, err := conn.Read(make([]byte, 1))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
	}
}

func TestAnswersOfANameNodeAreLimited(t *testing.T) {
	_, conn := dialed(t, toNameNode, func(c net.Conn) {
		_, _ = c.Write([]byte{0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 1, 'c', 8, 0, 0, 1})
		swallow(c)
	})
	for _, want := range []string{"\x00\x00\x00\x02", "ab", "\x00\x00\x00\x00", "\x00\x00\x00\x01", "c"} {
		got := make([]byte, len(want))
		_, err := io.ReadFull(conn, got)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	_, err := io.ReadFull(conn, make([]byte, 4))
	require.ErrorContains(t, err, "no answer of a NameNode")
}
