package zkstore

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// Options configures the stores of an ensemble. Servers is required.
type Options struct {
	// Servers are the servers of the ensemble, as host or host:port. The default port is 2181.
	Servers []string
	// Chroot is the znode under which the jobs are, such as /weir. Missing znodes are created.
	// Default "/": every job is a znode at the root.
	Chroot string
	// Session is the session timeout that the store asks for; the servers may change it to one
	// between their limits. The loss of a leader is noticed after this time, so a shorter one
	// makes a takeover faster, and a longer one survives longer hiccups. Default 10 s, at least 1 s.
	Session time.Duration
	// Wait makes Open wait while another coordinator leads the job, until the context ends: a
	// standby. Default false: Open returns checkpoint.ErrLocked.
	Wait bool
	// ACL says who may use the znodes that the store creates. Default: Creator if there are
	// credentials, otherwise Everyone.
	ACL ACL
	// Auth returns the credentials, each time a store is opened. Default: those in the
	// environment variable WEIR_ZOOKEEPER_AUTH, or none.
	Auth func() (Credentials, error)
	// Logger receives messages about connections, at level Debug, and about other leaders for
	// which the store waits. Default: the logger of the coordinator if NewOpener or a URL opens the
	// store for one; otherwise messages are discarded.
	Logger *slog.Logger

	connect connector // replaced by tests; default connect
}

// ACL is the access control list of the znodes that a store creates.
type ACL uint8

// The access control lists.
const (
	Auto     ACL = iota // Creator if there are credentials, otherwise Everyone
	Everyone            // every client of the ensemble
	Creator             // clients with the same credentials
)

// Credentials are a user and a password for digest authentication. The zero value means that there
// are no credentials. They print as a placeholder.
type Credentials struct {
	// User is the name of the user, without a colon.
	User string
	// Password is the password.
	Password string
}

// String returns a placeholder.
func (c Credentials) String() string {
	if c == (Credentials{}) {
		return "none"
	}
	return "[redacted]"
}

// GoString returns a placeholder.
func (c Credentials) GoString() string { return c.String() }

// LogValue returns a placeholder.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

const (
	defaultSession = 10 * time.Second
	minSession     = time.Second
	maxSession     = time.Hour

	reservedZnode = "zookeeper" // at the root: the servers keep their own data there
)

// complete checks the options and returns them with defaults filled in.
func (o Options) complete() (Options, error) {
	refuse := func(format string, args ...any) (Options, error) {
		return Options{}, fmt.Errorf("zkstore: "+format+": %w", append(args, checkpoint.ErrInvalidOption)...)
	}
	o.Session = cmp.Or(o.Session, defaultSession)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	switch {
	case len(o.Servers) == 0:
		return refuse("the list of servers is empty")
	case o.Session < minSession || o.Session > maxSession:
		return refuse("Session is %v, want %v to %v", o.Session, minSession, maxSession)
	case o.ACL > Creator:
		return refuse("ACL is %d, want Auto, Everyone or Creator", o.ACL)
	}
	o.Servers = slices.Clone(o.Servers)
	for i, server := range o.Servers {
		address, ok := serverAddress(server)
		if !ok {
			return refuse("server %d of %d is not a host or host:port", i+1, len(o.Servers))
		}
		o.Servers[i] = address
	}
	o.Chroot = strings.TrimSuffix(o.Chroot, "/")
	if o.Chroot != "" {
		parts := strings.Split(o.Chroot, "/")
		for i, part := range parts[1:] {
			if snapshot.CheckName(part) != nil || i == 0 && part == reservedZnode {
				return refuse("part %d of the chroot is not a legal name of a znode", i+1)
			}
		}
		if parts[0] != "" {
			return refuse("the chroot does not begin with a slash")
		}
	}
	if o.Auth == nil {
		o.Auth = authFromEnvironment
	}
	if o.connect == nil {
		o.connect = connect
	}
	return o, nil
}

// serverAddress adds the default port to a server without one.
func serverAddress(server string) (address string, ok bool) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(server, "["), "]"), strconv.Itoa(zk.DefaultPort)
		if bracketed := host != server; bracketed != strings.Contains(host, ":") {
			return "", false
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@?#,[]%") {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// list returns the access control list for new znodes.
func (a ACL) list(c Credentials) ([]zk.ACL, error) {
	switch authenticated := c != (Credentials{}); {
	case a == Creator && !authenticated:
		return nil, fmt.Errorf("zkstore: the ACL is creator, but there are no credentials: %w", checkpoint.ErrInvalidOption)
	case a == Creator, a == Auto && authenticated:
		return zk.AuthACL(zk.PermAll), nil
	}
	return zk.WorldACL(zk.PermAll), nil
}

// url returns the URL of a znode, for errors.
func (o Options) url(path string) string { return "zk://" + strings.Join(o.Servers, ",") + path }
