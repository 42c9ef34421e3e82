package zkstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/go-zookeeper/zk"

	"github.com/weirstate/weir/checkpoint"
)

// final are the errors after which a step is not taken again: a server has answered, or the step
// has understood its answer. After any other error the request may or may not have been carried
// out.
var final = []error{
	zk.ErrNoNode, zk.ErrNodeExists, zk.ErrBadVersion, zk.ErrNotEmpty, zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL,
	zk.ErrNoChildrenForEphemerals, zk.ErrBadArguments, zk.ErrSessionExpired, zk.ErrInvalidPath, zk.ErrInvalidFlags,
	zk.ErrAPIError, zk.ErrUnknown, errRefused, errNotJob,
	checkpoint.ErrCorrupt, checkpoint.ErrLocked, checkpoint.ErrFenced, checkpoint.ErrInvalid, fs.ErrExist,
}

var (
	// errAgain asks Store.run to take a step again: a compare-and-set has met another one.
	errAgain = errors.New("a znode was changed in the meantime")
	// errInterrupted is returned by ask when it stops waiting for an answer.
	errInterrupted = errors.New("the request was not answered")
	// errNotJob is returned by Open for a znode that has the name of the job and not its children.
	errNotJob = errors.New("the znode exists and is not that of a job, such as a chroot: its child attempt is missing; " +
		"add the chroot to the URL, as in zk://host:port/chroot, or choose another name for the job, " +
		"unless another program has removed the znodes of the job")
	// errRefused is returned for a code of a server that the library does not know.
	errRefused = errors.New("the server has refused the request")
)

// The codes that the library does not know: see KeeperException of ZooKeeper 3.9. Its error for one is a text
// with the code.
const (
	unknownCode       = "unknown error: "
	codeQuotaExceeded = "-125"
)

// codesThatPass are the unknown codes after which the same request may succeed: OPERATIONTIMEOUT, REQUESTTIMEOUT,
// THROTTLEDOP.
var codesThatPass = []string{"-7", "-122", "-127"}

// serverError returns the error of a request, which the library has returned as err.
func serverError(err error) error {
	if err == nil {
		return nil
	}
	code, ok := strings.CutPrefix(err.Error(), unknownCode)
	switch {
	case !ok, slices.Contains(codesThatPass, code):
		return err
	case code == codeQuotaExceeded:
		return fmt.Errorf("%w: a quota is exceeded: %w", errRefused, syscall.ENOSPC)
	}
	return fmt.Errorf("%w: code %.10s", errRefused, code)
}

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
		err = fmt.Errorf("a znode that every job has is missing, it was removed by another program: %w", err)
	}
	return &fs.PathError{Op: op, Path: o.url(path), Err: err}
}
