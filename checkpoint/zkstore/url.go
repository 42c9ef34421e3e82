package zkstore

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/query"
)

// Scheme is the URL scheme that the package registers.
const Scheme = "zk"

func init() {
	if err := checkpoint.RegisterCompleted(Scheme, openURL); err != nil {
		panic(err) // another package has registered the scheme
	}
}

// openURL implements the scheme zk.
func openURL(u *url.URL) (checkpoint.CompletedOpener, error) {
	o, err := parseURL(u)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, checkpoint.ErrURL)
	}
	return NewOpener(o)
}

// parseURL returns the options in a URL.
func parseURL(u *url.URL) (Options, error) {
	if u.Opaque != "" || u.User != nil || u.Fragment != "" || u.ForceQuery || u.Host == "" || u.RawPath != "" {
		return Options{}, fmt.Errorf("zkstore: malformed URL: want zk://host:port,host:port/chroot?key=value")
	}
	o := Options{Servers: strings.Split(u.Host, ","), Chroot: u.Path}
	var authFile string
	if err := query.Apply(u.RawQuery,
		query.Key{Name: "session", Want: fmt.Sprintf("a duration from %v to %v, such as 10s", minSession, maxSession),
			Set: func(value string) (ok bool) {
				var err error
				o.Session, err = time.ParseDuration(value)
				return err == nil && minSession <= o.Session && o.Session <= maxSession
			}},
		query.Bool("wait", &o.Wait),
		query.Enum("acl", "open or creator", map[string]ACL{"open": Everyone, "creator": Creator}, &o.ACL),
		query.Key{Name: "auth-file", Want: "an absolute path", Set: func(value string) bool {
			authFile = value
			return filepath.IsAbs(value)
		}},
	); err != nil {
		return Options{}, fmt.Errorf("zkstore: %w", err)
	}
	if authFile != "" {
		o.Auth = AuthFile(authFile)
	}
	_, err := o.complete()
	return o, err
}
