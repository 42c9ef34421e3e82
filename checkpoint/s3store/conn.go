package s3store

import (
	"context"
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// newHTTPClient returns a client that closes connections without progress. It is a
// BuildableClient so that the configuration chain can add certificates to it.
func newHTTPClient(stall time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithReadTimeout(0).WithTransportOptions(func(t *http.Transport) {
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &progressConn{conn, stall}, nil
		}
		t.MaxIdleConnsPerHost = idleConnections
		t.IdleConnTimeout = min(t.IdleConnTimeout, stall)
	})
}

// idleConnections is the number of idle connections that are kept: as many as the parts of
// several objects that are sent at the same time.
const idleConnections = 64

// progressConn is a connection that fails once no byte was sent or received for a time. It covers
// every phase of a request: a server that does not read, does not answer, or stops in the middle of
// a response. A deadline for the whole request would have to depend on its size.
type progressConn struct {
	net.Conn
	stall time.Duration
}

// Read implements net.Conn. The wait for the first byte of a response counts from the last byte of
// the request: see Write.
func (c *progressConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(c.stall))
	}
	return n, err
}

// Write implements net.Conn. It also moves the deadline of the Read that waits for the response.
func (c *progressConn) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if err = c.SetDeadline(time.Now().Add(c.stall)); err == nil {
			var sent int
			sent, err = c.Conn.Write(p[:min(len(p), writeBytes)])
			n, p = n+sent, p[sent:]
		}
	}
	return n, err
}

// writeBytes is the number of bytes that must be sent within the stall timeout.
const writeBytes = 256 << 10
