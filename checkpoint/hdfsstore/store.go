package hdfsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"syscall"

	krb "github.com/jcmturner/gokrb5/v8/client"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// Store is a directory of HDFS whose objects are checkpoint.Objects.
//
// Problem: an object must appear under its name complete and once, even if two coordinators commit
// it at the same moment. HDFS has no hard links, and the library's rename replaces a file. The
// NameNode never replaces a directory that is not empty.
//
// Idea: an object is a directory that holds one file. A commit is the rename of that directory,
// which the NameNode checks and carries out under its lock:
//
//	Write     up to 1 MiB is held in memory, more is sent to DataNodes
//	Commit    1. make chk-7/.1-op-0.5f0c2a91.tmp/
//	          2. write chk-7/.1-op-0.5f0c2a91.tmp/.object  and complete it: all DataNodes have it
//	          3. remember the inode of the file
//	          4. rename chk-7/.1-op-0.5f0c2a91.tmp to chk-7/1-op-0
//	          5. after an error of the rename, compare the inode of chk-7/1-op-0/.object
//	Abort     remove chk-7/.1-op-0.5f0c2a91.tmp
//	crash     leaves the directory, which List returns as Unfinished
//
//	what is at chk-7/1-op-0     the rename
//	nothing                     succeeds
//	an empty directory          succeeds and replaces it: nothing is lost
//	an object or a folder       fails, fs.ErrExist
//	a file                      fails, fs.ErrExist
//	the own object              the rename took effect, but its answer was lost: the inode tells
//
// Invariant: an object that can be opened is complete; its content never changes. A rename moves
// the inode, and HDFS never uses its number again, so step 5 is exact.
//
// Invariant: when Commit returns nil, the NameNode has logged the name, and all DataNodes of the
// blocks have the bytes. A DataNode syncs a block to its disk only if dfs.datanode.synconclose is
// true; without it, a power failure of all DataNodes with a copy can lose an object. The library
// offers no hsync.
//
// Invariant: Remove removes only a directory that is an object, in one step.
//
// The store keeps no other process out: Store is no checkpoint.Locker. The library cannot hold the
// lease of a file safely enough for a lock. Two coordinators of one job exclude each other by the
// records of attempts (checkpoint.ErrFenced), or by ZooKeeper.
//
// Cost: Commit of a new object takes 9 calls of the NameNode up to one block, Open and a read
// in order 2 or 3, Remove 6. List takes one for each object, and two for each directory. An object takes two
// names of the quota for names. A large object is not written again if a DataNode fails during it:
// the library cannot replace one, so Write or Commit returns the error. An object of up to 1 MiB is.
//
// Errors are *fs.PathError with the URL of the object, as checkpoint.Objects says. A quota that is
// used up is a syscall.ENOSPC. Failures that may pass are tried again, see Options.Attempts.
//
// Thread safety: safe for concurrent use.
type Store struct {
	options  Options
	root     string
	url      string // of the root, without a slash at its end
	pool     pool
	user     string      // whom HDFS checks permissions for
	opened   bool        // New has connected
	kerberos *krb.Client // nil without Kerberos
	// heldBytes is defaultHeldBytes. Tests make it smaller.
	heldBytes int
}

var (
	_ checkpoint.Objects      = (*Store)(nil)
	_ checkpoint.BatchRemover = (*Store)(nil)
	_ checkpoint.Packer       = (*Store)(nil)
)

// objectFile is the name of the file in the directory of an object. No object can have this name.
const objectFile = ".object"

// New connects to HDFS and makes the directory if it is missing. It returns an error once
// Options.OpenTimeout is over, and at once if no NameNode has a host name that exists, or another server
// answers in its place.
func New(ctx context.Context, o Options) (*Store, error) {
	o, library, err := o.resolve()
	if err != nil {
		return nil, err
	}
	s := newStore(o, func(ctx context.Context) (*session, error) { return dialSession(ctx, o, library) })
	s.kerberos, s.user = library.KerberosClient, library.User
	if s.kerberos != nil {
		s.user = s.kerberos.Credentials.UserName()
	}
	limited, cancel := context.WithTimeoutCause(ctx, o.OpenTimeout, openTimeout{o})
	defer cancel()
	if err := s.begin(limited); err != nil {
		_ = s.Close()
		return nil, err
	}
	s.opened = true
	return s, nil
}

// newStore returns a Store whose sessions dial connects.
func newStore(o Options, dial func(context.Context) (*session, error)) *Store {
	u := url.URL{Scheme: "hdfs", Host: strings.Join(o.NameNodes, ","), Path: o.Path}
	return &Store{options: o, root: o.Path, url: u.String(), pool: pool{dial: dial}, heldBytes: defaultHeldBytes}
}

// begin makes the root directory, and tests the protection of data if there is one.
func (s *Store) begin(ctx context.Context) error {
	isProtected := false
	err := s.do(ctx, func(c client) error {
		if err := c.makeDirs(s.root); err != nil {
			return err
		}
		if _, err := c.list(s.root); err != nil {
			return err
		}
		found, err := c.stat(s.root)
		if err != nil {
			return err
		}
		if err := checkFormat(found); err != nil {
			return err
		}
		isProtected, err = c.isProtected()
		return err
	})
	switch {
	case errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR):
		err = final{errors.New("the path is a file, want a directory")}
	case err != nil && answer(err) != nil && strings.Contains(answer(err).Exception(), "ParentNotDirectory"):
		err = final{errors.New("a parent of the path is a file, want a directory")}
	case err == nil && isProtected:
		err = s.probe(ctx)
	}
	return s.fail("open", "", err)
}

// probe writes a file and reads it. The library supports some forms of protected data only, and
// it may be able to write but not to read: checkpoints would complete that cannot be restored.
func (s *Store) probe(ctx context.Context) (err error) {
	f := &file{s: s, ctx: ctx, name: "probe", held: []byte("probe")}
	defer func() { err = errors.Join(err, f.Abort()) }()
	err = s.retry(ctx, func() error {
		if err := f.send(); err != nil {
			return err
		}
		_, err := f.upload.complete(s.options.Timeout)
		return err
	})
	if err == nil {
		err = s.do(ctx, func(c client) error {
			r, err := c.open(path.Join(f.upload.temp, objectFile))
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r)
			if err == nil && string(got) != string(f.held) {
				err = fmt.Errorf("%d other bytes", len(got))
			}
			return errors.Join(err, r.Close())
		})
	}
	if err != nil && !isStopped(err) {
		err = final{fmt.Errorf("DataNodes require protected connections, but a file cannot be written and read; "+
			"the client library supports dfs.data.transfer.protection=authentication: %w", err)}
	}
	return err
}

// Close closes the connections that nobody uses. A Store need not be closed: idle connections are
// closed after 5 seconds, apart from those of a Kerberos client.
func (s *Store) Close() error {
	s.pool.close()
	if s.kerberos != nil {
		s.kerberos.Destroy()
	}
	return nil
}

// PackBytes implements checkpoint.Packer: the coordinator writes files up to 1 MiB of one
// checkpoint into one object, since each object takes two names and nine calls of the NameNode.
func (s *Store) PackBytes() int64 { return 1 << 20 }

// Remove implements checkpoint.Objects.
func (s *Store) Remove(ctx context.Context, name string) error {
	err := s.remove(ctx, name)
	if err == nil {
		s.removeEmpty(ctx, path.Dir(name))
	}
	return s.fail("remove", name, err)
}

// RemoveAll implements checkpoint.BatchRemover. It removes some objects at the same time, and each
// folder once.
func (s *Store) RemoveAll(ctx context.Context, names []string) error {
	errs := make([]error, len(names))
	parallel(len(names), func(i int) { errs[i] = s.fail("remove", names[i], s.remove(ctx, names[i])) })
	folders := make(map[string]bool)
	for i, name := range names {
		if folder := path.Dir(name); errs[i] == nil && !folders[folder] {
			folders[folder] = true
			s.removeEmpty(ctx, folder)
		}
	}
	return errors.Join(errs...)
}

// remove removes an object, finished or not.
func (s *Store) remove(ctx context.Context, name string) error {
	dir, base := path.Split(name)
	of, unfinished := createdAs(base)
	if err := checkpoint.CheckObjectName(dir + of); err != nil {
		return err
	}
	p := s.path(name)
	return s.do(ctx, func(c client) error {
		found, err := c.stat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return s.checkRoot(c)
		case err != nil:
			return err
		case !found.IsDir():
			return s.irregularFile()
		case unfinished:
			return c.removeTree(p)
		}
		file, err := c.stat(path.Join(p, objectFile))
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && file.IsDir():
			return final{vfs.CheckRegular(found)}
		case err != nil:
			return err
		case found.children > 1: // a folder has the same name
			return ignoreMissing(c.remove(path.Join(p, objectFile)))
		}
		return c.removeTree(p)
	})
}

// removeEmpty removes a folder and its parents below the root, as long as they are empty. The
// Create of an object makes them again in one step with its own directory. A folder whose removal
// fails stays; the next removal of an object in it tries again.
func (s *Store) removeEmpty(ctx context.Context, folder string) {
	for ; folder != "." && folder != "/"; folder = path.Dir(folder) {
		err := s.do(ctx, func(c client) error { return c.remove(s.path(folder)) })
		if ignoreMissing(err) != nil {
			return
		}
	}
}

// checkRoot returns an error if the root directory is missing. Otherwise a missing object is really
// missing.
func (s *Store) checkRoot(c client) error {
	_, err := c.stat(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return final{errors.New("the directory of the store is missing: it was removed or renamed")}
	}
	return err
}

// irregularFile is the error for a file in place of an object.
func (s *Store) irregularFile() error {
	return final{fmt.Errorf("found a file, want a directory with the file %q: %w", objectFile, snapshot.ErrNotRegular)}
}

// path returns the path of an object or folder.
func (s *Store) path(name string) string { return path.Join(s.root, name) }

// urlOf returns the URL of an object, or of the root if name is empty.
func (s *Store) urlOf(name string) string {
	return strings.TrimSuffix(s.url+"/"+name, "/")
}

// createdAs returns the last part of the name for which Create was called, and whether the
// directory is an unfinished object.
func createdAs(base string) (of string, unfinished bool) {
	if of, unfinished = durable.DraftOf(base); unfinished {
		return of, true
	}
	return base, false
}

// ignoreMissing returns nil for fs.ErrNotExist, and err otherwise.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
