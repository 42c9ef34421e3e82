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

// Register makes a scheme of URLs known to OpenObjects, usually from an init
// function. A scheme that is known already is ErrURL, as is one that is not in
// lower case.
//
// The URL that open is given has neither userinfo nor a query key that looks like
// a secret. Its errors must not quote the query.
func Register(scheme string, open func(context.Context, *url.URL) (Objects, error)) error {
	if parsed, err := url.Parse(scheme + "://"); err != nil || parsed.Scheme != scheme || open == nil {
		return fmt.Errorf("scheme %q cannot be registered: %w", scheme, ErrURL)
	}
	schemes.Lock()
	defer schemes.Unlock()
	if _, taken := schemes.open[scheme]; taken {
		return fmt.Errorf("scheme %q is registered already: %w", scheme, ErrURL)
	}
	schemes.open[scheme] = open
	return nil
}

// OpenObjects opens the store of objects that a URL names, such as
// file:///var/checkpoints. It is ErrURL if it names none. Credentials do not
// belong into URLs, which end up in logs, and are refused.
//
// Thread safety: safe for concurrent use.
func OpenObjects(ctx context.Context, rawURL string) (Objects, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // its text quotes the URL
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
		return nil, fmt.Errorf("scheme %q is not one of %s: %w", u.Scheme, strings.Join(known, ", "), ErrURL)
	}
	return open(ctx, u)
}

// refuseSecrets says nothing of what it found but the key.
func refuseSecrets(u *url.URL) error {
	if u.User != nil {
		return fmt.Errorf("user and password do not belong into a URL: %w", ErrURL)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // its text quotes the query
		return fmt.Errorf("the query is malformed: %w", ErrURL)
	}
	for key := range query {
		for _, word := range []string{"secret", "token", "password"} {
			if strings.Contains(strings.ToLower(key), word) {
				return fmt.Errorf("query key with %q: credentials do not belong into a URL: %w", word, ErrURL)
			}
		}
	}
	return nil
}

// openFileURL opens file:///directory.
func openFileURL(_ context.Context, u *url.URL) (Objects, error) {
	refuse := func(what string) error {
		return fmt.Errorf("%s; write file:///absolute/directory: %w", what, ErrURL)
	}
	switch {
	case u.Opaque != "" || u.OmitHost || !strings.HasPrefix(u.Path, "/"):
		return nil, refuse("the path is not absolute")
	case u.Host != "" && u.Host != "localhost":
		return nil, refuse("the host is not this one")
	case u.Fragment != "":
		return nil, refuse("a fragment has no meaning")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, refuse("a query has no meaning")
	case strings.ContainsRune(u.Path, 0):
		return nil, refuse("the path has a zero byte")
	}
	path := filepath.FromSlash(u.Path)       // as it is: cleaning it could lead elsewhere
	if filepath.VolumeName(path[1:]) != "" { // Windows: /C:/directory
		path = path[1:]
	}
	return NewFiles(path)
}
