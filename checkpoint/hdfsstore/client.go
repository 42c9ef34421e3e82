package hdfsstore

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// client has the calls of the NameNode and the DataNodes that a Store needs. There are two
// implementations: libraryClient, and a NameNode in memory for tests. Paths are absolute.
//
// Errors wrap fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, syscall.ENOTEMPTY or hdfs.Error if
// the NameNode has answered; hasAnswered tells them from errors of the connection.
//
// Thread safety: one goroutine at a time.
type client interface {
	// stat describes a file or directory.
	stat(path string) (status, error)
	// list describes the children of a directory, ordered by name. It returns
	// syscall.ENOTDIR for a file.
	list(path string) ([]status, error)
	// makeDirs makes a directory and its parents in one step, with mode 0700. A directory that
	// exists is not an error.
	makeDirs(path string) error
	// create begins a file with mode 0600 in an existing directory and returns fs.ErrExist if
	// the name is taken.
	create(path string) (fileWriter, error)
	// open opens a file for reading.
	open(path string) (fileReader, error)
	// rename moves a directory. It replaces an empty directory at the new path, and nothing
	// else.
	rename(from, to string) error
	// remove removes a file or an empty directory, or returns syscall.ENOTEMPTY.
	remove(path string) error
	// removeTree removes a path and everything below it in one step. A missing path is not an
	// error.
	removeTree(path string) error
	// isProtected reports whether connections to DataNodes are authenticated or encrypted.
	isProtected() (bool, error)
	// close ends the connection.
	close() error
}

// fileWriter is a file that is being written. Close completes it and may be called again after it
// returned hdfs.ErrReplicating.
type fileWriter interface {
	io.Writer
	io.Closer
}

// fileReader is an open file.
type fileReader interface {
	io.ReadSeekCloser
	status() status
}

// status describes a file or directory. It implements fs.FileInfo.
type status struct {
	name     string // the last element of the path
	size     int64  // in bytes; 0 for a directory
	mode     fs.FileMode
	modified time.Time
	id       uint64 // the inode: it stays when the file is renamed and is never used again
	children int    // number of entries of a directory

	coded     bool // its blocks, or those of files in it, are erasure coded
	encrypted bool // it is in an encryption zone
}

// Name implements fs.FileInfo.
func (s status) Name() string { return s.name }

// Size implements fs.FileInfo.
func (s status) Size() int64 { return s.size }

// Mode implements fs.FileInfo.
func (s status) Mode() fs.FileMode { return s.mode }

// ModTime implements fs.FileInfo.
func (s status) ModTime() time.Time { return s.modified }

// IsDir implements fs.FileInfo.
func (s status) IsDir() bool { return s.mode.IsDir() }

// Sys implements fs.FileInfo.
func (s status) Sys() any { return nil }

// statusOf converts a description by the library. NameNodes since Hadoop 2.6 report the inode and
// the number of children.
func statusOf(info fs.FileInfo) status {
	s := status{name: info.Name(), size: info.Size(), mode: info.Mode(), modified: info.ModTime()}
	if raw, ok := info.Sys().(*hdfs.FileStatus); ok {
		s.id, s.children = raw.GetFileId(), int(raw.GetChildrenNum())
		s.coded, s.encrypted = raw.GetEcPolicy() != nil, raw.GetFileEncryptionInfo() != nil || raw.GetFlags()&hasCrypt != 0
	}
	return s
}

// hasCrypt is the flag of a file or directory in an encryption zone: HAS_CRYPT of Hadoop's
// hdfs.proto.
const hasCrypt = 2

// checkFormat returns an error for a file or directory whose blocks the library cannot read or
// write. It would write erasure coded blocks wrongly without an error.
func checkFormat(s status) error {
	switch {
	case s.coded:
		return final{errors.New("erasure coding is not supported, set replication with: hdfs ec -setPolicy -replicate -path")}
	case s.encrypted:
		return final{errors.New("encryption zones are not supported, use a directory outside")}
	}
	return nil
}

// libraryClient is a client of the library.
type libraryClient struct {
	*hdfs.Client
	replication int
	blockBytes  int64
	protection  string
}

func (c *libraryClient) stat(path string) (status, error) {
	info, err := c.Stat(path)
	if err != nil {
		return status{}, err
	}
	return statusOf(info), nil
}

func (c *libraryClient) list(path string) ([]status, error) {
	dir, err := c.Open(path)
	if err != nil {
		return nil, err
	}
	if !dir.Stat().IsDir() {
		return nil, &fs.PathError{Op: "list", Path: path, Err: syscall.ENOTDIR}
	}
	infos, err := dir.Readdir(0)
	if err != nil {
		return nil, err
	}
	children := make([]status, len(infos))
	for i, info := range infos {
		children[i] = statusOf(info)
	}
	return children, nil
}

func (c *libraryClient) makeDirs(path string) error { return c.MkdirAll(path, dirMode) }

// create uses the server's replication factor and block size if the options leave them to it.
func (c *libraryClient) create(path string) (fileWriter, error) {
	replication, blockBytes := c.replication, c.blockBytes
	if replication == 0 || blockBytes == 0 {
		defaults, err := c.ServerDefaults() // the library asks once for each connection
		if err != nil {
			return nil, err
		}
		if replication == 0 {
			replication = defaults.Replication
		}
		if blockBytes == 0 {
			blockBytes = defaults.BlockSize
		}
	}
	return c.CreateFile(path, replication, blockBytes, fileMode)
}

func (c *libraryClient) open(path string) (fileReader, error) {
	r, err := c.Open(path)
	if err != nil {
		return nil, err
	}
	return libraryReader{r}, nil
}

func (c *libraryClient) rename(from, to string) error { return c.Rename(from, to) }
func (c *libraryClient) remove(path string) error     { return c.Remove(path) }
func (c *libraryClient) removeTree(path string) error { return c.RemoveAll(path) }

func (c *libraryClient) isProtected() (bool, error) {
	if c.protection != "" {
		return true, nil
	}
	defaults, err := c.ServerDefaults()
	return defaults.EncryptDataTransfer, err
}

func (c *libraryClient) close() error { return c.Close() }

// libraryReader is an open file of the library.
type libraryReader struct{ *hdfs.FileReader }

func (r libraryReader) status() status { return statusOf(r.Stat()) }

// Modes of the directories and files that a Store makes: only their owner has access.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)
