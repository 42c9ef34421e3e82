package zkstore

import (
	"time"

	"github.com/go-zookeeper/zk"
)

// client is a session with an ensemble: the part of *zk.Conn that stores use. Requests have no
// context. They return once they are answered, once the connection is lost, or after Close.
//
// Thread safety: safe for concurrent use.
type client interface {
	Create(path string, data []byte, flags int32, acl []zk.ACL) (string, error)
	Get(path string) ([]byte, *zk.Stat, error)
	Set(path string, data []byte, version int32) (*zk.Stat, error)
	Exists(path string) (bool, *zk.Stat, error)
	ExistsW(path string) (bool, *zk.Stat, <-chan zk.Event, error)
	Children(path string) ([]string, *zk.Stat, error)
	Multi(ops ...any) ([]zk.MultiResponse, error)
	AddAuth(scheme string, auth []byte) error
	// SessionID returns the ID of the session, or 0 before the first answer of a server.
	SessionID() int64
	// Timeout returns the session timeout that the servers chose, or 0 before their first answer.
	Timeout() time.Duration
	// Close ends the session, so that its ephemeral znodes vanish, and waits until all goroutines
	// of the client have ended. If no server can be reached, the session ends by its timeout.
	Close()
}

// connector begins a session. It does not wait for a server. expired is called, at most once and
// from any goroutine, when the session has expired; the client begins no other session.
type connector func(o Options, expired func()) (client, error)
