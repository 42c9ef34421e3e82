package hdfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/colinmarc/hdfs/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

// The base workload: an object that is held in memory, one that is not, reads, a listing and
// removals.
var contents = map[string][]byte{
	"job/chk-1/small": []byte("small"),
	"job/chk-1/large": bytes.Repeat([]byte("large"), heldBytes/4),
}

// heldBytes is the size from which the stores of these tests do not hold an object in memory.
const heldBytes = 100_000

// workload runs the base workload and returns its first error.
func workload(ctx context.Context, s *Store) error {
	for _, name := range []string{"job/chk-1/small", "job/chk-1/large"} {
		if err := write(ctx, s, name, contents[name]); err != nil {
			return err
		}
		if err := requireSame(ctx, s, name); err != nil {
			return err
		}
	}
	listed, err := s.List(ctx, "job/")
	if err != nil {
		return err
	}
	var names []string
	for _, o := range listed {
		if o.Irregular == nil && !o.Unfinished {
			names = append(names, o.Name)
		}
	}
	if len(names) != 2 {
		return fmt.Errorf("List returned %v, want both objects", names)
	}
	if err := s.Remove(ctx, names[0]); err != nil {
		return err
	}
	return s.RemoveAll(ctx, names[1:])
}

// write creates, writes and commits an object, and aborts it after an error.
func write(ctx context.Context, s *Store, name string, data []byte) error {
	file, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(data, 60_000) {
		if _, err = file.Write(piece); err != nil {
			break
		}
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		_ = file.Abort() // its calls may fail as well
	}
	return err
}

// requireSame reads an object and compares it with contents.
func requireSame(ctx context.Context, s *Store, name string) (err error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	size, err := o.Size()
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.NewSectionReader(o, 0, size))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, contents[name]) {
		return fmt.Errorf("object %s has other bytes than were written", name)
	}
	return nil
}

// countCalls returns the methods that the workload calls without faults.
func countCalls(t *testing.T) (methods []string) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		s := n.store(1)
		require.NoError(t, s.begin(t.Context()))
		require.NoError(t, workload(t.Context(), s))
		require.NoError(t, s.Close())
		methods = slices.Clone(n.calls)
		require.Empty(t, n.paths())
	})
	return methods
}

// requireClean checks a store after faults: objects that are listed are whole, and after the removal
// of everything nothing is left but, if the removal of a folder failed, folders.
func requireClean(t *testing.T, n *fakeNode, s *Store, folders ...string) {
	n.before, n.after = nil, nil
	require.NoError(t, s.begin(t.Context()))
	listed, err := s.List(t.Context(), "")
	require.NoError(t, err)
	for _, o := range listed {
		switch {
		case o.Irregular != nil:
			require.ErrorIs(t, o.Irregular, syscall.EISDIR, o.Name)
			continue
		case !o.Unfinished:
			require.NoError(t, requireSame(t.Context(), s, o.Name))
		}
		require.NoError(t, s.Remove(t.Context(), o.Name))
	}
	require.Subset(t, folders, n.paths())
	require.NoError(t, s.Close())
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	require.Zero(t, n.open, "clients that are not closed")
}

// requireTyped checks that an error names an object below the root by URL.
func requireTyped(t *testing.T, err error) {
	t.Helper()
	var p *fs.PathError
	require.ErrorAs(t, err, &p)
	require.True(t, strings.HasPrefix(p.Path, "hdfs://namenode:8020/root"), p.Path)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, fs.ErrExist)
}

// changes are the methods that a NameNode refuses in safe mode, without permission or over quota.
var changes = []string{"makeDirs", "create", "write", "complete", "rename", "remove", "removeTree"}

// faults are the kinds of failure of one call.
var faults = []struct {
	name          string
	before, after error
	methods       []string // all if nil
	want          error
	transient     bool
}{
	{name: "the connection fails before the call", before: errConnection, transient: true},
	{name: "the answer is lost", after: errConnection, transient: true},
	{name: "safe mode", before: safeMode, methods: changes, transient: true},
	{name: "overload", before: exception{classRetriable, "Server is too busy."}, transient: true},
	{name: "no DataNode", before: exception{classRefused, "File /x could only be written to 0 of the 1 minReplication nodes."},
		methods: []string{"write"}, transient: true},
	{name: "no permission", before: fs.ErrPermission, want: fs.ErrPermission},
	{name: "no permission, in the library's second form", before: exception{classAccess, "Permission denied: user=other"}, want: fs.ErrPermission},
	{name: "quota of names", before: exception{"org.apache.hadoop.hdfs.protocol.NSQuotaExceededException", "The NameSpace quota is exceeded"},
		methods: []string{"makeDirs", "create"}, want: syscall.ENOSPC},
	{name: "quota of space", before: exception{"org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", "The DiskSpace quota is exceeded"},
		methods: []string{"write"}, want: syscall.ENOSPC},
	{name: "another exception", before: exception{"java.lang.NullPointerException", "null"}},
}

// TestEachCallFailsCleanly fails each call of the workload in each way, once and without another
// attempt.
func TestEachCallFailsCleanly(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			failed := 0
			for i := range countCalls(t) {
				synctest.Test(t, func(t *testing.T) {
					n := newFakeNode()
					s := n.store(1)
					hit := n.failOnce(i, fault.before, fault.after, fault.methods)
					err := s.begin(t.Context())
					if err == nil {
						err = workload(t.Context(), s)
					}
					if err != nil {
						failed++
						require.True(t, hit.Load(), "%v", err)
						requireTyped(t, err)
						if fault.want != nil {
							require.ErrorIs(t, err, fault.want)
						}
					}
					requireClean(t, n, s, "/root/job", "/root/job/chk-1")
				})
			}
			require.NotZero(t, failed)
		})
	}
}

// TestTransientFaultsAreTriedAgain fails each call once; the workload succeeds nevertheless. Only
// a large object cannot be written again.
func TestTransientFaultsAreTriedAgain(t *testing.T) {
	methods := countCalls(t)
	largeBegins := slices.Index(methods, "read") // after the read of the small object
	for _, fault := range faults {
		if !fault.transient {
			continue
		}
		t.Run(fault.name, func(t *testing.T) {
			for i, method := range methods {
				synctest.Test(t, func(t *testing.T) {
					n := newFakeNode()
					s := n.store(3)
					n.failOnce(i, fault.before, fault.after, fault.methods)
					require.NoError(t, s.begin(t.Context()))
					err := workload(t.Context(), s)
					isLarge := i > largeBegins && (method == "write" || method == "complete" || method == "stat")
					if err != nil && isLarge {
						requireTyped(t, err)
					} else {
						require.NoError(t, err, "call %d, %s", i, method)
					}
					requireClean(t, n, s)
				})
			}
		})
	}
}

// TestCanceledCallsEndAtOnce cancels the context while each call waits for an answer that does not
// come, before and after it took effect.
func TestCanceledCallsEndAtOnce(t *testing.T) {
	reason := errors.New("the checkpoint was aborted")
	for i := range countCalls(t) {
		for _, effect := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNode()
				s := n.store(3)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				hang := func(call int, method string) error {
					if call != i {
						return nil
					}
					cancel(reason)
					return errHang
				}
				if effect {
					n.after = hang
				} else {
					n.before = hang
				}
				err := s.begin(ctx)
				if err == nil {
					err = workload(ctx, s)
				}
				if err != nil { // the removal of an empty folder is not reported
					require.ErrorIs(t, err, reason, "call %d", i)
					requireTyped(t, err)
				}
				requireClean(t, n, s, "/root/job", "/root/job/chk-1")
			})
		}
	}
}

// TestLostRenameIsFoundByItsInode loses the answer of the rename, with and without its effect,
// while nothing, another object, a folder or a file has the name.
func TestLostRenameIsFoundByItsInode(t *testing.T) {
	for _, c := range []struct {
		name   string
		effect bool
		before func(client) error // what has the name
		want   error
	}{
		{name: "it took effect", effect: true},
		{name: "it took no effect"},
		{name: "another object has the name", want: fs.ErrExist, before: func(c client) error {
			return c.makeDirs("/root/job/a/" + objectFile)
		}},
		{name: "a file has the name", want: fs.ErrExist, before: func(c client) error {
			_, err := c.create("/root/job/a")
			return err
		}},
		{name: "an empty directory has the name", before: func(c client) error { return c.makeDirs("/root/job/a") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNode()
				s := n.store(3)
				require.NoError(t, s.begin(t.Context()))
				require.NoError(t, s.do(t.Context(), func(c client) error { return c.makeDirs("/root/job") }))
				if c.before != nil {
					require.NoError(t, s.do(t.Context(), c.before))
				}
				lost := false
				lose := func(_ int, method string) error {
					if lost || method != "rename" {
						return nil
					}
					lost = true
					return errConnection
				}
				if c.effect {
					n.after = lose
				} else {
					n.before = lose
				}
				err := write(t.Context(), s, "job/a", []byte("text"))
				if c.want == nil {
					require.NoError(t, err)
					require.Equal(t, []string{"/root/job", "/root/job/a", "/root/job/a/" + objectFile}, n.paths())
				} else {
					require.ErrorIs(t, err, c.want)
				}
				require.True(t, lost)
				require.NoError(t, s.Close())
			})
		})
	}
}

// TestCloseWaitsForReplication completes a file only at the fifth call, as a NameNode does that
// waits for the report of a DataNode.
func TestCloseWaitsForReplication(t *testing.T) {
	for _, name := range []string{"job/chk-1/small", "job/chk-1/large"} {
		synctest.Test(t, func(t *testing.T) {
			n := newFakeNode()
			s := n.store(1)
			require.NoError(t, s.begin(t.Context()))
			closes := 0
			n.before = func(_ int, method string) error {
				if method == "complete" {
					if closes++; closes < 5 {
						return &fs.PathError{Op: "create", Path: "/x", Err: hdfs.ErrReplicating}
					}
				}
				return nil
			}
			require.NoError(t, write(t.Context(), s, name, contents[name]))
			require.NoError(t, requireSame(t.Context(), s, name))
			requireClean(t, n, s)
		})
	}
}

// TestCloseGivesUp ends a Commit whose blocks are never stored, after Options.Timeout.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		s := n.store(2)
		require.NoError(t, s.begin(t.Context()))
		n.before = func(_ int, method string) error {
			if method == "complete" {
				return &fs.PathError{Op: "create", Path: "/x", Err: hdfs.ErrReplicating}
			}
			return nil
		}
		err := write(t.Context(), s, "job/a", []byte("text"))
		require.ErrorIs(t, err, hdfs.ErrReplicating)
		requireTyped(t, err)
		requireClean(t, n, s)
	})
}

// TestRefusedBlockFailsTheUpload refuses a block because the previous one is not stored. A library
// whose block was refused cannot continue the file.
func TestRefusedBlockFailsTheUpload(t *testing.T) {
	for name := range contents {
		synctest.Test(t, func(t *testing.T) {
			n := newFakeNode()
			s := n.store(3)
			require.NoError(t, s.begin(t.Context()))
			writes := 0
			n.before = func(_ int, method string) error {
				if method != "write" {
					return nil
				}
				if writes++; writes == 1 {
					return exception{classNotYet, "Not replicated yet: /x"}
				}
				return nil
			}
			if err := write(t.Context(), s, name, contents[name]); err != nil {
				requireTyped(t, err)
			} else {
				require.Equal(t, 2, strings.Count(strings.Join(n.calls, " "), "create"), "another file")
			}
			requireClean(t, n, s)
		})
	}
}

// TestFileAfterItsEndIsClosed uses a file after Commit.
func TestFileAfterItsEndIsClosed(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	file, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	require.NoError(t, file.Commit())
	_, err = file.Write([]byte("more"))
	require.ErrorIs(t, err, fs.ErrClosed)
	requireTyped(t, err)
	err = file.Commit()
	require.ErrorIs(t, err, fs.ErrClosed)
	requireTyped(t, err)
	require.NoError(t, file.Abort())
	require.NoError(t, s.Close())
}

// TestMissingRootIsNoMissingObject removes the directory of the store.
func TestMissingRootIsNoMissingObject(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	require.NoError(t, s.do(t.Context(), func(c client) error { return c.removeTree("/root") }))
	_, err := s.Open(t.Context(), "job/a")
	requireTyped(t, err)
	require.ErrorContains(t, err, "removed or renamed")
	_, err = s.List(t.Context(), "job/")
	requireTyped(t, err)
	requireTyped(t, s.Remove(t.Context(), "job/a"))
	requireTyped(t, s.RemoveAll(t.Context(), []string{"job/a", "job/b"}))
	require.NoError(t, s.Close())
}

// TestRootMustBeADirectory opens a store on a file and below one.
func TestRootMustBeADirectory(t *testing.T) {
	for _, p := range []string{"/file", "/file/below"} {
		n := newFakeNode()
		n.add("/file", &inode{})
		s := n.store(5)
		s.root = p
		require.ErrorContains(t, s.begin(t.Context()), "is a file, want a directory")
		require.NoError(t, s.Close())
	}
}

// TestIrregularFilesStay puts files and directories where objects belong.
func TestIrregularFilesStay(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	for _, dir := range []string{"/root/job/empty", "/root/job/folder/x", "/root/job/.hidden/x", "/root/job/.dir.01234567.tmp/x"} {
		require.NoError(t, s.do(t.Context(), func(c client) error { return c.makeDirs(dir) }))
	}
	for _, file := range []string{"/root/job/file", "/root/job/.file.01234567.tmp", "/root/job/.x", "/root/job/a b"} {
		n.add(file, &inode{data: []byte("text")})
	}
	before := n.paths()
	listed, err := s.List(t.Context(), "job/")
	require.NoError(t, err)
	var names []string
	for _, o := range listed {
		names = append(names, fmt.Sprint(o.Name, " ", o.Of, " ", o.Irregular))
	}
	file := ` found a file, want a directory with the file ".object": not a regular file`
	dir := " found a directory, want a file: not a regular file"
	require.Equal(t, []string{
		"job/.dir.01234567.tmp job/dir <nil>",
		"job/.file.01234567.tmp job/file" + file,
		"job/empty " + dir, "job/file " + file, "job/folder " + dir, "job/folder/x " + dir,
	}, names)
	for _, o := range listed {
		if o.Irregular == nil {
			continue
		}
		require.ErrorIs(t, s.Remove(t.Context(), o.Name), snapshot.ErrNotRegular, o.Name)
		if !o.Unfinished {
			_, err := s.Open(t.Context(), o.Name)
			require.ErrorIs(t, err, snapshot.ErrNotRegular, o.Name)
		}
	}
	below, err := s.List(t.Context(), "job/file/")
	require.NoError(t, err)
	require.Empty(t, below)
	require.Equal(t, before, n.paths())
	require.NoError(t, s.Close())
}

// TestUnsupportedBlocksAreRefused opens a store in a directory whose files the library would write
// wrongly, and makes it such a directory later.
func TestUnsupportedBlocksAreRefused(t *testing.T) {
	for want, change := range map[string]func(*inode){
		"erasure coding":   func(i *inode) { i.coded = true },
		"encryption zones": func(i *inode) { i.secret = true },
	} {
		n := newFakeNode()
		s := n.store(5)
		require.NoError(t, s.begin(t.Context()))
		require.NoError(t, write(t.Context(), s, "job/a", []byte("text")))
		change(n.nodes["/root/job/a/"+objectFile])
		_, err := s.Open(t.Context(), "job/a")
		requireTyped(t, err)
		require.ErrorContains(t, err, want)
		n.before = func(_ int, method string) error {
			if method == "complete" {
				n.mu.Lock()
				defer n.mu.Unlock()
				for _, i := range n.inodes() {
					change(i)
				}
			}
			return nil
		}
		err = write(t.Context(), s, "job/b", []byte("text"))
		requireTyped(t, err)
		require.ErrorContains(t, err, want)
		require.NotContains(t, n.paths(), "/root/job/b")
		err = s.begin(t.Context())
		requireTyped(t, err)
		require.ErrorContains(t, err, want)
		require.NoError(t, s.Close())
	}
}

// TestOpenFindsAnObjectThatAppearsBetweenItsCalls commits an object between the calls of Open.
func TestOpenFindsAnObjectThatAppearsBetweenItsCalls(t *testing.T) {
	n := newFakeNode()
	s, other := n.store(1), n.store(1)
	require.NoError(t, s.begin(t.Context()))
	done := false
	n.before = func(_ int, method string) error {
		if method == "stat" && !done { // Open has asked for the file
			done = true
			return write(t.Context(), other, "job/a", []byte("text"))
		}
		return nil
	}
	o, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	require.True(t, done)
	require.NoError(t, o.Close())
	require.NoError(t, s.Close())
	require.NoError(t, other.Close())
}

// TestReadersOfLargeObjectsKeepNoSession opens many objects before it reads them.
func TestReadersOfLargeObjectsKeepNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		s := n.store(1)
		require.NoError(t, s.begin(t.Context()))
		require.NoError(t, write(t.Context(), s, "job/chk-1/large", contents["job/chk-1/large"]))
		var objects []io.Closer
		for range 20 {
			o, err := s.Open(t.Context(), "job/chk-1/large")
			require.NoError(t, err)
			objects = append(objects, o)
		}
		requireOpen(t, n, 1)
		for _, o := range objects {
			require.NoError(t, o.Close())
		}
		// A cursor at the end of an object keeps no session either.
		o, err := s.Open(t.Context(), "job/chk-1/large")
		require.NoError(t, err)
		_, err = o.ReadAt(make([]byte, len(contents["job/chk-1/large"])), 0)
		require.NoError(t, err)
		require.NoError(t, requireSame(t.Context(), s, "job/chk-1/large"))
		requireOpen(t, n, 1)
		require.NoError(t, o.Close())
		requireClean(t, n, s)
	})
}

// TestProtectionThatTheLibraryCannotReadIsRefused opens a store whose DataNodes accept writes, but
// whose data cannot be read.
func TestProtectionThatTheLibraryCannotReadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNode()
		n.protected = true
		s := n.store(2)
		require.NoError(t, s.begin(t.Context()))
		require.Empty(t, n.paths())
		for _, broken := range []string{"write", "read"} {
			n.before = func(_ int, method string) error {
				if method == broken {
					return errors.New("cannot parse invalid wire-format data")
				}
				return nil
			}
			err := s.begin(t.Context())
			requireTyped(t, err)
			require.ErrorContains(t, err, "protection=authentication")
			require.Empty(t, n.paths())
		}
		n.protected = false
		require.NoError(t, s.begin(t.Context()))
		requireClean(t, n, s)
	})
}

// TestCommitComparesTheSize loses bytes of a file that HDFS has completed.
func TestCommitComparesTheSize(t *testing.T) {
	for name := range contents {
		n := newFakeNode()
		s := n.store(3)
		require.NoError(t, s.begin(t.Context()))
		n.after = func(_ int, method string) error {
			if method == "complete" {
				n.mu.Lock()
				defer n.mu.Unlock()
				for _, i := range n.inodes() {
					i.data = i.data[:len(i.data)/2]
				}
			}
			return nil
		}
		err := write(t.Context(), s, name, contents[name])
		requireTyped(t, err)
		require.ErrorContains(t, err, "bytes of the object, want")
		require.Empty(t, n.paths(), "Abort has removed it")
		require.NoError(t, s.Close())
	}
}

// TestAbortDoesNotCompleteAnObject aborts an object whose bytes are at the DataNodes.
func TestAbortDoesNotCompleteAnObject(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	file, err := s.Create(t.Context(), "job/a")
	require.NoError(t, err)
	_, err = file.Write(contents["job/chk-1/large"])
	require.NoError(t, err)
	n.before = func(_ int, method string) error {
		require.NotEqual(t, "complete", method)
		return nil
	}
	require.NoError(t, file.Abort())
	require.Empty(t, n.paths())
	require.NoError(t, s.Close())
}

// TestRemovalOfAnUnfinishedObjectFailsItsCommit removes the directory of an object at each step of
// its writer.
func TestRemovalOfAnUnfinishedObjectFailsItsCommit(t *testing.T) {
	for _, step := range []string{"create", "complete", "stat", "rename"} {
		for name := range contents {
			n := newFakeNode()
			s := n.store(1)
			require.NoError(t, s.begin(t.Context()))
			n.before = func(_ int, method string) error {
				if method == step {
					n.mu.Lock()
					defer n.mu.Unlock()
					maps.DeleteFunc(n.nodes, func(p string, _ *inode) bool { return strings.Contains(p, ".tmp") })
				}
				return nil
			}
			requireTyped(t, write(t.Context(), s, name, contents[name]))
			n.before = nil
			listed, err := s.List(t.Context(), "job/chk-1/")
			require.NoError(t, err)
			require.Empty(t, listed)
			require.NoError(t, s.Close())
		}
	}
}

// TestReadsDoNotMixTwoObjects replaces an object by another between two reads.
func TestReadsDoNotMixTwoObjects(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	require.NoError(t, write(t.Context(), s, "job/a", contents["job/chk-1/large"]))
	o, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	_, err = o.ReadAt(make([]byte, 1000), 0)
	require.NoError(t, err)
	require.NoError(t, s.Remove(t.Context(), "job/a"))
	_, err = o.ReadAt(make([]byte, 1000), 5000)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, write(t.Context(), s, "job/a", contents["job/chk-1/large"]))
	_, err = o.ReadAt(make([]byte, 1000), 5000)
	requireTyped(t, err)
	require.ErrorContains(t, err, "another one has its name")
	require.NoError(t, o.Close())
	require.NoError(t, s.Close())
}

// TestAnObjectMayHaveObjectsBelow removes an object whose name is also that of a folder.
func TestAnObjectMayHaveObjectsBelow(t *testing.T) {
	n := newFakeNode()
	s := n.store(1)
	require.NoError(t, s.begin(t.Context()))
	require.NoError(t, write(t.Context(), s, "job/a", []byte("above")))
	require.NoError(t, write(t.Context(), s, "job/a/b", []byte("below")))
	require.ErrorIs(t, write(t.Context(), s, "job", nil), fs.ErrExist)
	listed, err := s.List(t.Context(), "job/")
	require.NoError(t, err)
	require.Len(t, listed, 2)
	require.Equal(t, "job/a", listed[0].Name)
	require.Equal(t, "job/a/b", listed[1].Name)
	require.NoError(t, s.Remove(t.Context(), "job/a"))
	o, err := s.Open(t.Context(), "job/a/b")
	require.NoError(t, err)
	require.NoError(t, o.Close())
	require.NoError(t, s.Remove(t.Context(), "job/a/b"))
	require.Empty(t, n.paths())
	require.NoError(t, s.Close())
}

// TestCommitNoticesAFailedDataNode lets a connection to a DataNode fail without an error of the
// library, which reports success.
func TestCommitNoticesAFailedDataNode(t *testing.T) {
	for name := range contents {
		n := newFakeNode()
		completed := false
		n.after = func(_ int, method string) error {
			completed = completed || method == "complete"
			return nil
		}
		s := n.store(1)
		dial := s.pool.dial
		s.pool.dial = func(ctx context.Context) (*session, error) {
			opened, err := dial(ctx)
			if err == nil {
				opened.takeDataError = func() error {
					if completed {
						return errConnection
					}
					return nil
				}
			}
			return opened, err
		}
		require.NoError(t, s.begin(t.Context()))
		err := write(t.Context(), s, name, contents[name])
		requireTyped(t, err)
		require.ErrorIs(t, err, errConnection)
		require.Empty(t, n.paths(), "Abort has removed it")
		require.NoError(t, s.Close())
	}
}
