package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

var schemes = struct {
	sync.Mutex
	open map[string]func(context.Context, *url.URL) (Objects, error)
}{open: map[string]func(context.Context, *url.URL) (Objects, error){"file": openFileURL}}

// Register adds a URL scheme to OpenObjects, usually from an init function. It returns ErrURL
// if the scheme is already registered or is not in lower case.
//
// The URL passed to open has no userinfo and no query key that looks like a secret. open must
// not quote the query in its errors.
func Register(scheme string, open func(context.Context, *url.URL) (Objects, error)) error {
	if parsed, err := url.Parse(scheme + "://"); err != nil || parsed.Scheme != scheme || open == nil {
		return fmt.Errorf("scheme %q cannot be registered: want a scheme in lower case and a function: %w", scheme, ErrURL)
	}
	schemes.Lock()
	defer schemes.Unlock()
	if _, taken := schemes.open[scheme]; taken {
		return fmt.Errorf("scheme %q is already registered: %w", scheme, ErrURL)
	}
	schemes.open[scheme] = open
	return nil
}

// OpenObjects opens the store of objects that a URL names, such as file:///var/checkpoints. It
// returns ErrURL if the scheme is not registered or the URL does not name a store. It refuses
// URLs with credentials, since URLs end up in logs.
//
// Thread safety: safe for concurrent use.
func OpenObjects(ctx context.Context, rawURL string) (Objects, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // the error of Parse quotes the URL, which may contain a secret
		return nil, fmt.Errorf("the text is not a URL: %w", ErrURL)
	}
	if strings.HasSuffix(rawURL, "#") {
		return nil, fmt.Errorf("the fragment is empty; leave out the number sign: %w", ErrURL)
	}
	if err := refuseSecrets(u); err != nil {
		return nil, err
	}
	schemes.Lock()
	open, ok := schemes.open[u.Scheme]
	known := slices.Sorted(maps.Keys(schemes.open))
	schemes.Unlock()
	if !ok {
		return nil, fmt.Errorf("unknown scheme %q: want one of %s: %w", u.Scheme, strings.Join(known, ", "), ErrURL)
	}
	return open(ctx, u)
}

// refuseSecrets returns an error for a URL with credentials. Its errors quote at most a word of
// the key.
func refuseSecrets(u *url.URL) error {
	if u.User != nil {
		return fmt.Errorf("the URL has a user or password, which are not allowed: %w", ErrURL)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // the error of ParseQuery quotes the query
		return fmt.Errorf("the query is malformed: %w", ErrURL)
	}
	for key := range query {
		for _, word := range []string{"secret", "token", "password"} {
			if strings.Contains(strings.ToLower(key), word) {
				return fmt.Errorf("the URL has a query key that contains %q, credentials are not allowed: %w", word, ErrURL)
			}
		}
	}
	return nil
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
	case u.Fragment != "":
		return nil, refuse("the URL has a fragment")
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
