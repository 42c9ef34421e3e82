package hdfsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/colinmarc/hdfs/v2"
)

// Java classes of the exceptions that a NameNode answers with.
const (
	classAccess    = "org.apache.hadoop.security.AccessControlException"
	classMissing   = "java.io.FileNotFoundException"
	classSafeMode  = "org.apache.hadoop.hdfs.server.namenode.SafeModeException"
	classRetriable = "org.apache.hadoop.ipc.RetriableException"
	classStandby   = "org.apache.hadoop.ipc.StandbyException"
	classNotYet    = "org.apache.hadoop.hdfs.server.namenode.NotReplicatedYetException"
	classNotYetOld = "org.apache.hadoop.hdfs.protocol.NotReplicatedYetException"
	// classRefused is the class for a rename that would replace something, and, with a text of
	// noDataNode, for a block that no DataNode can store.
	classRefused = "java.io.IOException"
)

// noDataNode are texts of a NameNode that has no DataNode for a block: none runs, or all are full
// or excluded.
var noDataNode = []string{"could only be written to", "could only be replicated to"}

// answer returns the exception in an error, or nil if there is none.
func answer(err error) hdfs.Error {
	var e hdfs.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// hasAnswered reports whether the NameNode has answered a call. If it has not, the call may have
// taken effect, and the connection cannot be used any more.
func hasAnswered(err error) bool {
	var f final
	if err == nil || answer(err) != nil || errors.As(err, &f) {
		return true
	}
	for _, sentinel := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, syscall.ENOTEMPTY, syscall.ENOTDIR, hdfs.ErrReplicating,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// isTransient reports whether an operation that failed may succeed later: the connection failed,
// the NameNode is in safe mode, in standby or overloaded, or it has no DataNode for a block.
func isTransient(err error) bool {
	if isStopped(err) {
		return false
	}
	e := answer(err)
	if e == nil {
		return !hasAnswered(err)
	}
	switch e.Exception() {
	case classSafeMode, classRetriable, classStandby, classNotYet, classNotYetOld:
		return true
	}
	return isNoDataNode(e)
}

// isNoDataNode reports whether an exception says that no DataNode can store a block.
func isNoDataNode(e hdfs.Error) bool {
	for _, text := range noDataNode {
		if e.Exception() == classRefused && strings.Contains(e.Message(), text) {
			return true
		}
	}
	return false
}

// maxAnswerBytes limits the part of a NameNode's answer that an error quotes.
const maxAnswerBytes = 300

// explain replaces an error of the library by one that says what a NameNode has answered and
// wraps fs.ErrNotExist, fs.ErrPermission or syscall.ENOSPC if it is the reason.
func explain(err error) error {
	var inner *fs.PathError // of the library
	if errors.As(err, &inner) && answer(err) == nil {
		if errors.Is(err, fs.ErrPermission) { // the library drops the answer that names the path
			return fmt.Errorf("check the owner and the mode of %s and of the directories above it: %w", inner.Path, fs.ErrPermission)
		}
		err = inner.Err
	}
	e := answer(err)
	if e == nil {
		return err
	}
	text, _, _ := strings.Cut(e.Message(), "\n")
	if len(text) > maxAnswerBytes {
		text = text[:maxAnswerBytes]
	}
	class := e.Exception()[strings.LastIndexByte(e.Exception(), '.')+1:]
	text = fmt.Sprintf("the NameNode answered %s: %s", class, text)
	switch {
	case e.Exception() == classAccess:
		return fmt.Errorf("%s: %w", text, fs.ErrPermission)
	case e.Exception() == classMissing:
		return fmt.Errorf("%s: %w", text, fs.ErrNotExist)
	case strings.Contains(class, "QuotaExceeded") || class == "QuotaByStorageTypeExceededException":
		return fmt.Errorf("the quota of the directory is used up: %s: %w", text, syscall.ENOSPC)
	case isNoDataNode(e):
		return fmt.Errorf("no DataNode can take a block, check that DataNodes run and have space: %s", text)
	}
	return errors.New(text)
}

// fail returns the error of an operation on an object, or on the root if name is empty. The path
// of the error is a URL without a query.
func (s *Store) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	switch {
	case isStopped(err):
	case hasAnswered(err):
		err = explain(err)
		if errors.Is(err, fs.ErrPermission) && s.user != "" {
			err = fmt.Errorf("user %q is refused: %w", s.user, err)
		}
	default:
		advice := "check the address and that NameNode and DataNodes run"
		if s.kerberos == nil && strings.Contains(err.Error(), "unexpected sequence number") {
			advice = "it may require Kerberos" // the library does not read the answer that says so
		}
		err = fmt.Errorf("HDFS at %s does not answer, %s: %w", strings.Join(s.options.NameNodes, ","), advice, explain(err))
	}
	return &fs.PathError{Op: op, Path: s.urlOf(name), Err: err}
}

// final is an error that follows from answers of the NameNode: trying again does not help.
type final struct{ error }

// Unwrap returns the error.
func (e final) Unwrap() error { return e.error }

// stopped is the error of an operation whose context has ended, or whose object was closed.
type stopped struct {
	cause error
	last  error // of the last attempt that has ended, or nil
}

// Error returns the text of the cause, and that of the last attempt.
func (e stopped) Error() string {
	if e.last == nil {
		return e.cause.Error()
	}
	return fmt.Sprintf("%v; the last attempt: %v", e.cause, explain(e.last))
}

// Unwrap returns the cause.
func (e stopped) Unwrap() error { return e.cause }

// openTimeout is the cause by which the context of New ends after Options.OpenTimeout.
type openTimeout struct{ o Options }

// Error returns the text, with the keys that change the limits.
func (e openTimeout) Error() string {
	return fmt.Sprintf("HDFS at %s did not answer within %v (the key open-timeout changes that; there are up to %d attempts, "+
		"see attempts, and a server has %v for each step, see timeout); check the address and that NameNode and DataNodes run",
		strings.Join(e.o.NameNodes, ","), e.o.OpenTimeout, e.o.Attempts, e.o.Timeout)
}

// hopeless is an error of a connection that New does not repeat: no NameNode has a host name that
// exists, or another server answers. After New it may pass: a name is missing while a server starts again.
type hopeless struct{ error }

// Unwrap returns the error.
func (e hopeless) Unwrap() error { return e.error }

// isStopped reports whether an error is a stopped.
func isStopped(err error) bool {
	var e stopped
	return errors.As(err, &e)
}
