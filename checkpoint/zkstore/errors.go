package zkstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/go-zookeeper/zk"

	"github.com/weirstate/weir/checkpoint"
)

// final are the errors after which a step is not taken again: a server has answered, or the step
// has understood its answer. After any other error the request may or may not have been carried
// out.
var final = []error{
	zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL,
	zk.ErrNoChildrenForEphemerals, zk.ErrBadArguments, zk.ErrSessionExpired, zk.ErrInvalidPath, zk.ErrInvalidFlags,
	zk.ErrAPIError, zk.ErrUnknown,
	checkpoint.ErrCorrupt, checkpoint.ErrLocked, checkpoint.ErrFenced, checkpoint.ErrInvalid, fs.ErrExist,
}

var (
	// errAgain asks Store.run to take a step again: a compare-and-set has met another one.
	errAgain = errors.New("a znode was changed in the meantime")
	// errInterrupted is returned by ask when it stops waiting for an answer.
	errInterrupted = errors.New("the request was not answered")
)

// isFinal reports whether a step that failed with err is not taken again.
func isFinal(err error) bool {
	return slices.ContainsFunc(final, func(target error) bool { return errors.Is(err, target) })
}

// pathError returns the error of an operation on a znode.
func (o Options) pathError(op, path string, err error) error {
	switch {
	case errors.Is(err, zk.ErrNoAuth), errors.Is(err, zk.ErrAuthFailed):
		err = fmt.Errorf("the credentials do not fit the ACL of the znode: %w: %w", fs.ErrPermission, err)
	case errors.Is(err, zk.ErrNoNode):
		err = fmt.Errorf("a znode that every job has is missing: %w", err)
	}
	return &fs.PathError{Op: op, Path: o.url(path), Err: err}
}
