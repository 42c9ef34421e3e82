package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

var (
	objectSchemes = schemes[func(context.Context, *url.URL) (Objects, error)]{
		open:     map[string]func(context.Context, *url.URL) (Objects, error){"file": openFileURL},
		packages: map[string]string{"s3": "github.com/weirstate/weir/checkpoint/s3store", "hdfs": "github.com/weirstate/weir/checkpoint/hdfsstore"},
	}
	completedSchemes = schemes[func(*url.URL) (CompletedOpener, error)]{
		open:     make(map[string]func(*url.URL) (CompletedOpener, error)),
		packages: map[string]string{"zk": "github.com/weirstate/weir/checkpoint/zkstore"},
	}
)

// schemes are the URL schemes of one kind of store and the functions that open them.
//
// Thread safety: safe for concurrent use.
type schemes[Open any] struct {
	mu       sync.Mutex
	open     map[string]Open
	packages map[string]string // the import paths of Weir's packages that register schemes, for errors
}

// add registers a scheme. usable reports whether open is not nil.
func (s *schemes[Open]) add(scheme string, open Open, usable bool) error {
	if parsed, err := url.Parse(scheme + "://"); err != nil || parsed.Scheme != scheme || !usable {
		return fmt.Errorf("scheme %q cannot be registered: want a scheme in lower case and a function: %w", scheme, ErrURL)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.open[scheme]; taken {
		return fmt.Errorf("scheme %q is already registered: %w", scheme, ErrURL)
	}
	s.open[scheme] = open
	return nil
}

// find parses a URL and returns the function that opens it. It refuses URLs with
// credentials and those with a fragment.
func (s *schemes[Open]) find(rawURL string) (*url.URL, Open, error) {
	var none Open
	u, err := url.Parse(rawURL)
	if err != nil { // the error of Parse quotes the URL, which may contain a secret
		return nil, none, fmt.Errorf("the text is not a URL: %w", ErrURL)
	}
	if strings.HasSuffix(rawURL, "#") {
		return nil, none, fmt.Errorf("the fragment is empty; leave out the number sign: %w", ErrURL)
	}
	if u.Fragment != "" {
		return nil, none, fmt.Errorf("the URL has a fragment; write a number sign in a name as %%23: %w", ErrURL)
	}
	if err := refuseSecrets(u); err != nil {
		return nil, none, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	open, ok := s.open[u.Scheme]
	if ok {
		return u, open, nil
	}
	if path, known := s.packages[u.Scheme]; known {
		return nil, none, fmt.Errorf("the package of the scheme %q is not imported: add import _ %q: %w", u.Scheme, path, ErrURL)
	}
	known := cmp.Or(strings.Join(slices.Sorted(maps.Keys(s.open)), ", "), "none, since no store is registered")
	return nil, none, fmt.Errorf("unknown scheme %q: want one of %s: %w", u.Scheme, known, ErrURL)
}

// Register adds a URL scheme to OpenObjects, usually from an init function. It returns ErrURL
// if the scheme is already registered or is not in lower case.
//
// The URL passed to open has no userinfo, no fragment and no query key that looks like a secret.
// open must not quote the query in its errors.
func Register(scheme string, open func(context.Context, *url.URL) (Objects, error)) error {
	return objectSchemes.add(scheme, open, open != nil)
}

// OpenObjects opens the store of objects that a URL names, such as file:///var/checkpoints. It
// returns ErrURL if the scheme is not registered or the URL does not name a store. It refuses
// URLs with credentials, since URLs end up in logs: a user or password, a query key such as
// secret, session-token or AccessKey, or a URL with one of these as the value of a query key.
//
// Thread safety: safe for concurrent use.
func OpenObjects(ctx context.Context, rawURL string) (Objects, error) {
	u, open, err := objectSchemes.find(rawURL)
	if err != nil {
		return nil, err
	}
	return open(ctx, u)
}

// RegisterCompleted adds a URL scheme to OpenCompleted, usually from an init function. It returns
// ErrURL if the scheme is already registered or is not in lower case.
//
// open checks the URL and does no I/O. The URL is as for Register, and open must not quote the
// query in its errors.
func RegisterCompleted(scheme string, open func(*url.URL) (CompletedOpener, error)) error {
	return completedSchemes.add(scheme, open, open != nil)
}

// OpenCompleted returns the opener of the completed stores that a URL names, such as
// zk://host1:2181,host2:2181/weir, for StorageOptions.Completed. It returns ErrURL if the scheme
// is not registered or the URL does not name a store, and refuses URLs with credentials. It does
// no I/O; the opener does.
//
// Thread safety: safe for concurrent use.
func OpenCompleted(rawURL string) (CompletedOpener, error) {
	u, open, err := completedSchemes.find(rawURL)
	if err != nil {
		return nil, fmt.Errorf("completed store: %w", err)
	}
	return open(u)
}

// openFileURL opens a URL of the form file:///absolute/directory.
func openFileURL(_ context.Context, u *url.URL) (Objects, error) {
	refuse := func(problem string) error {
		return fmt.Errorf("%s: want file:///absolute/directory: %w", problem, ErrURL)
	}
	switch {
	case u.Opaque != "" || u.OmitHost || !strings.HasPrefix(u.Path, "/"):
		return nil, refuse("the path is not absolute")
	case u.Host != "" && u.Host != "localhost":
		return nil, refuse("the host is not this one")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, refuse("the URL has a query")
	case strings.ContainsRune(u.Path, 0):
		return nil, refuse("the path has a zero byte")
	}
	path := filepath.FromSlash(u.Path)       // not cleaned: a ".." after a link would lead elsewhere
	if filepath.VolumeName(path[1:]) != "" { // Windows: /C:/directory
		path = path[1:]
	}
	return NewFiles(path)
}
