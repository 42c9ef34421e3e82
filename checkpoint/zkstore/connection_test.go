package zkstore

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
)

// firstAnswer returns the first answer of a server: the session timeout and the number of the session.
func firstAnswer(timeoutMillis uint32, sessionID uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, 4+4+8+4+16)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, timeoutMillis)
	b = binary.BigEndian.AppendUint64(b, sessionID)
	b = binary.BigEndian.AppendUint32(b, 16)
	return append(b, make([]byte, 16)...)
}

// pipe returns a link of a dialer and the other end of its connection.
func pipe(t *testing.T, d *dialer) (*link, net.Conn) {
	client, server := net.Pipe()
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return &link{Conn: client, dialer: d}, server
}

func TestLinkReadsTheSessionTimeoutThatTheServerChose(t *testing.T) {
	d := &dialer{patience: time.Hour}
	for _, c := range []struct{ answer, want uint32 }{{4000, 4000}, {0, 4000}, {6000, 6000}} { // 0: expired
		for _, piece := range []int{1, 5, 100} {
			l, server := pipe(t, d)
			answer := firstAnswer(c.answer, 7)
			go func() {
				for rest := answer; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
					_, _ = server.Write(rest[:min(piece, len(rest))])
				}
			}()
			got := make([]byte, len(answer))
			_, err := io.ReadFull(l, got[:4])
			require.NoError(t, err)
			_, err = io.ReadFull(l, got[4:])
			require.NoError(t, err)
			require.Equal(t, answer, got)
			require.EqualValues(t, c.want, d.timeoutMillis.Load())
		}
	}
}

// The library removes the deadline in the middle of the first answer.
func TestServerThatHangsInItsFirstAnswerIsGivenUp(t *testing.T) {
	l, server := pipe(t, &dialer{patience: time.Millisecond})
	go func() { _, _ = server.Write(firstAnswer(4000, 7)[:6]) }()
	require.NoError(t, l.SetReadDeadline(time.Now().Add(time.Hour)))
	_, err := io.ReadFull(l, make([]byte, 4))
	if err == nil {
		require.NoError(t, l.SetReadDeadline(time.Time{}))
		_, err = io.ReadFull(l, make([]byte, 36))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// fakeServer accepts connections, gives each an answer and closes it, except the last one.
type fakeServer struct {
	listener net.Listener
	wait     sync.WaitGroup

	mu       sync.Mutex
	accepted int
}

// startFakeServer starts a server that gives the first connection the first answer, and so on. Later
// connections get the last answer.
func startFakeServer(t *testing.T, answers ...[]byte) *fakeServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &fakeServer{listener: l}
	s.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			answer := answers[min(s.accepted, len(answers)-1)]
			s.accepted++
			s.mu.Unlock()
			request := make([]byte, 48)
			_, _ = io.ReadFull(c, request[:44])
			_, _ = c.Write(answer)
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.wait.Wait()
	})
	return s
}

// connections returns the number of connections so far.
func (s *fakeServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Requests of a leader that still wait must never be sent in another session.
func TestNoSessionBeginsAfterTheFirstHasExpired(t *testing.T) {
	s := startFakeServer(t, firstAnswer(4000, 7), firstAnswer(0, 0), firstAnswer(4000, 8))
	o, err := Options{Servers: []string{s.listener.Addr().String()}, Session: 4 * time.Second}.complete()
	require.NoError(t, err)
	expired := make(chan struct{})
	c, err := connect(o, func() { close(expired) })
	require.NoError(t, err)
	<-expired
	_, _, err = c.Get("/weir") // waits until the library has tried to connect again
	require.Error(t, err)
	require.Equal(t, 2, s.connections())
	require.Equal(t, 4*time.Second, c.Timeout())
	c.Close()
	require.Equal(t, 2, s.connections())
}

func TestCloseEndsAWaitForAServerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	require.NoError(t, err)
	defer l.Close()
	o, err := Options{Servers: []string{l.Addr().String()}, Session: time.Hour}.complete()
	require.NoError(t, err)
	c, err := connect(o, func() { t.Error("expired") })
	require.NoError(t, err)
	d := c.(*connection).dialer
	await.True(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.current != nil
	}, func() string { return "no connection" })
	await.End(t, c.Close)
	_, err = d.dial("tcp", l.Addr().String(), time.Second)
	require.ErrorIs(t, err, net.ErrClosed)
}
