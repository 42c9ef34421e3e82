package integration

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy is the network between one client and a server. A test cuts its connections, or holds back what
// they carry.
//
// Thread safety: safe for concurrent use.
type proxy struct {
	server   string
	listener net.Listener
	wait     sync.WaitGroup // goroutines of connections

	mu         sync.Mutex
	held       chan struct{} // nil, or closed when the proxy passes bytes again
	loseAnswer bool          // the next bytes of the server are lost, and the connection with them
	conns      map[net.Conn]bool
	ended      bool
}

// newProxy returns a proxy for a server. It ends with the test.
func newProxy(t testing.TB, server string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{server: server, listener: l, conns: make(map[net.Conn]bool)}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.resume()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.cut()
		p.wait.Wait()
	})
	return p
}

// address returns the address for the client.
func (p *proxy) address() string { return p.listener.Addr().String() }

// hold holds back all bytes, of new connections too, until resume. They are not lost.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

// resume passes bytes again, those that were held back first.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// lose loses the next answer of the server, and cuts its connection.
func (p *proxy) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseAnswer = true
}

// accept joins each connection of the client with one to the server.
func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		if p.ended {
			_, _ = client.Close(), server.Close()
		}
		p.mu.Unlock()
		p.wait.Go(func() { p.copy(client, server, true) })
		p.wait.Go(func() { p.copy(server, client, false) })
	}
}

// copy passes bytes from one connection to another, and closes both at the end.
func (p *proxy) copy(to, from net.Conn, answers bool) {
	defer func() {
		_, _ = to.Close(), from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		held, lost := p.held, answers && p.loseAnswer
		if lost {
			p.loseAnswer = false
		}
		p.mu.Unlock()
		if lost {
			return
		}
		if held != nil {
			<-held
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}
