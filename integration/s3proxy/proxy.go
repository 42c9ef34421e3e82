// Package s3proxy counts the requests that pass through a proxy in front of an S3 server. It knows
// the form of requests and no client.
package s3proxy

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Proxy is a proxy on loopback.
//
// Thread safety: safe for concurrent use.
type Proxy struct {
	// URL is the address of the proxy, for the client.
	URL string

	server *httptest.Server
	mu     sync.Mutex
	counts Counts
}

// Counts are numbers of requests.
type Counts struct {
	// Put is the number of objects and parts that were written.
	Put int
	// Get is the number of objects and ranges that were read.
	Get int
	// Head is the number of HEAD requests.
	Head int
	// List is the number of pages of listings.
	List int
	// Delete is the number of removals; one removes up to 1,000 objects.
	Delete int
	// Multipart is the number of requests that begin, complete or abort multipart uploads.
	Multipart int
}

// Total returns the sum of all requests.
func (c Counts) Total() int { return c.Put + c.Get + c.Head + c.List + c.Delete + c.Multipart }

// Minus returns the difference of two counts.
func (c Counts) Minus(d Counts) Counts {
	return Counts{c.Put - d.Put, c.Get - d.Get, c.Head - d.Head, c.List - d.List, c.Delete - d.Delete, c.Multipart - d.Multipart}
}

// Start starts a proxy for the server at a URL.
func Start(server string) (*Proxy, error) {
	target, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	p := &Proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the signature covers it
	}}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r)
		forward.ServeHTTP(w, r)
	}))
	p.URL = p.server.URL
	return p, nil
}

// count counts a request.
func (p *Proxy) count(r *http.Request) {
	query := r.URL.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case query.Has("uploads") && r.Method == http.MethodGet, query.Has("list-type"), query.Has("uploadId") && r.Method == http.MethodGet:
		p.counts.List++
	case query.Has("uploads"), query.Has("uploadId") && r.Method != http.MethodPut:
		p.counts.Multipart++
	case r.Method == http.MethodPut:
		p.counts.Put++
	case r.Method == http.MethodHead:
		p.counts.Head++
	case query.Has("delete"), r.Method == http.MethodDelete:
		p.counts.Delete++
	default:
		p.counts.Get++
	}
}

// Counts returns the number of requests since the start.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Close ends the proxy.
func (p *Proxy) Close() { p.server.Close() }
