package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/servers"
)

// The package hdfsstore tests most faults on a NameNode in memory. Its tests with the build tag
// integration compare that with the real one.
func TestHDFSTestsOfThePackagePassOnTheNameNode(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=integration", "-run=OnNameNode", ".")
	command.Dir = "../checkpoint/hdfsstore"
	command.Env = append(os.Environ(), "WEIR_HDFS="+shared.HDFS)
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "no tests to run")
}

func TestHDFSOpenSaysWhatIsWrong(t *testing.T) {
	port, err := servers.FreePort()
	require.NoError(t, err)
	open := "/" + newRoot("open")
	require.NoError(t, putObject(openHDFS(t, shared.HDFS, open+"/private", "attempts=1"), "a", []byte("text")))
	for name, row := range map[string]struct {
		address, path, query, want string
		is                         error
	}{
		"nobody listens":           {address: servers.Local(port), want: "connection refused"},
		"the host is unknown":      {address: "no-such-host.invalid:8020", want: "no-such-host.invalid"},
		"the server is no HDFS":    {address: strings.TrimPrefix(shared.S3, "http://"), want: "does not answer"},
		"the path is an object":    {path: open + "/private/a/.object", want: "is a file"},
		"the path is below a file": {path: open + "/private/a/.object/x", want: "is a file"},
		"no permission":            {path: open + "/private/x", query: "&user=nobody", is: fs.ErrPermission},
		"no permission above":      {path: "/elsewhere", query: "&user=nobody", is: fs.ErrPermission},
		"too many copies":          {query: "&replication=600", is: checkpoint.ErrInvalidOption},
		"an unknown key":           {query: "&canary=" + canary, is: checkpoint.ErrURL},
		"a malformed value":        {query: "&block-size=" + canary, is: checkpoint.ErrURL},
	} {
		t.Run(name, func(t *testing.T) {
			address, path := shared.HDFS, open
			if row.address != "" {
				address = row.address
			}
			if row.path != "" {
				path = row.path
			}
			_, err := checkpoint.OpenObjects(t.Context(), "hdfs://"+address+path+"?attempts=1&timeout=5s"+row.query)
			t.Log(err)
			require.Error(t, err)
			require.NotErrorIs(t, err, fs.ErrNotExist)
			require.NotContains(t, err.Error(), canary)
			if row.is == fs.ErrPermission {
				require.ErrorContains(t, err, `user "nobody" is refused: check the owner and the mode of `+path)
			}
			if row.is != nil {
				require.ErrorIs(t, err, row.is)
				return
			}
			require.ErrorContains(t, err, row.want)
			require.ErrorContains(t, err, "hdfs://"+address+path)
		})
	}
}

// TestHDFSFaults has one NameNode and DataNode for all its subtests. Each leaves both running.
func TestHDFSFaults(t *testing.T) {
	t.Parallel() // most of the time is waiting
	h := startHDFS(t)
	for _, row := range []struct {
		name  string
		fault func(*testing.T, *servers.HDFS, string)
	}{
		{"a DataNode is killed during a write", dataNodeKilled},
		{"a small object is written again after the DataNode is back", dataNodeBack},
		{"safe mode begins during a write", safeModeDuringWrite},
		{"a write waits for the end of safe mode", safeModeEnds},
		{"the NameNode is killed and started again", nameNodeKilled},
		{"the NameNode does not answer and the write is canceled", nameNodePaused},
		{"the quota of names is used up", quotaOfNames},
		{"the quota of space is used up", quotaOfSpace},
		{"the permission is taken away", permissionTaken},
		{"the directory is removed", directoryRemoved},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := "/faults/" + strings.ReplaceAll(row.name, " ", "-")
			row.fault(t, h, path)
			// Whatever has happened, a new store finds nothing but whole objects.
			if row.name == "the directory is removed" {
				return
			}
			after := openHDFS(t, h.Address, path, "")
			listed, err := after.List(t.Context(), "")
			require.NoError(t, err)
			for _, o := range listed {
				if o.Irregular == nil {
					require.False(t, o.Unfinished, o.Name)
					require.Equal(t, contentOf(o.Name), getObject(t, after, o.Name))
				}
			}
		})
	}
	// Failed writes and lost connections leave no goroutine of the client behind. Idle connections are
	// closed after 5 s.
	require.Eventually(t, func() bool {
		stacks := make([]byte, 8<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("colinmarc/hdfs"))
	}, time.Minute, 100*time.Millisecond)
}

func dataNodeKilled(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2&timeout=5s")
	require.NoError(t, putObject(objects, "job/before-large", contentOf("job/before-large")))
	err := putWhile(objects, "job/large", func() { require.NoError(t, h.DataNode.Kill()) })
	requireHDFSError(t, err, h, path+"/job/large")
	// The reader has no other DataNode either.
	o, err := objects.Open(t.Context(), "job/before-large")
	require.NoError(t, err)
	_, err = o.ReadAt(make([]byte, 10), 0)
	requireHDFSError(t, err, h, path+"/job/before-large")
	require.NoError(t, o.Close())
	require.NoError(t, h.DataNode.Start(t.Context()))
	// The NameNode has not noticed that the DataNode was away, so Start did not wait for it.
	patient := openHDFS(t, h.Address, path, "attempts=100")
	require.NoError(t, putObject(patient, "job/small", contentOf("job/small")))
	require.Equal(t, contentOf("job/before-large"), getObject(t, patient, "job/before-large"))
	require.NoError(t, putObject(objects, "job/large", contentOf("job/large")))
}

func dataNodeBack(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=100&timeout=5s")
	require.NoError(t, h.DataNode.Kill())
	done := make(chan error)
	go func() { done <- putObject(objects, "job/small", contentOf("job/small")) }()
	require.NoError(t, h.DataNode.Start(t.Context()))
	require.NoError(t, <-done)
}

func safeModeDuringWrite(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2&timeout=2s")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	err := putWhile(objects, "job/large", func() { admin(t, h, "-safemode", "enter") })
	requireHDFSError(t, err, h, path+"/job/large")
	require.ErrorContains(t, err, "safe mode")
	err = putObject(objects, "job/small", contentOf("job/small"))
	requireHDFSError(t, err, h, path+"/job/small")
	require.ErrorContains(t, err, "safe mode")
	require.Equal(t, contentOf("job/before"), getObject(t, objects, "job/before"), "reads go on")
	requireHDFSError(t, objects.Remove(t.Context(), "job/before"), h, path+"/job/before")
	admin(t, h, "-safemode", "leave")
	removeUnfinished(t, objects)
	require.NoError(t, putObject(objects, "job/large", contentOf("job/large")))
}

func safeModeEnds(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=100")
	admin(t, h, "-safemode", "enter")
	done := make(chan error)
	go func() { done <- putObject(objects, "job/large", contentOf("job/large")) }()
	admin(t, h, "-safemode", "leave")
	require.NoError(t, <-done)
}

func nameNodeKilled(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2&timeout=5s")
	patient := openHDFS(t, h.Address, path, "attempts=100")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	err := putWhile(objects, "job/large", func() { require.NoError(t, h.NameNode.Kill()) })
	requireHDFSError(t, err, h, path+"/job/large")
	_, err = objects.Open(t.Context(), "job/before")
	requireHDFSError(t, err, h, path+"/job/before")
	_, err = objects.List(t.Context(), "job/")
	requireHDFSError(t, err, h, path+"/job")
	done := make(chan error)
	go func() { done <- putObject(patient, "job/small", contentOf("job/small")) }()
	require.NoError(t, h.NameNode.Start(t.Context()))
	require.NoError(t, <-done)
	require.NoError(t, putObject(patient, "job/large", contentOf("job/large")), "the same store connects again")
	require.Equal(t, contentOf("job/before"), getObject(t, objects, "job/before"))
	removeUnfinished(t, objects)
}

func nameNodePaused(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "")
	require.NoError(t, h.NameNode.Pause())
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the checkpoint was aborted")
	done := make(chan error)
	go func() { done <- putHDFS(ctx, objects, "job/small", contentOf("job/small")) }()
	cancel(reason)
	require.ErrorIs(t, <-done, reason)
	require.NoError(t, h.NameNode.Resume())
	removeUnfinished(t, objects)
}

func quotaOfNames(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	admin(t, h, "-setQuota", "5", path) // the directory, the job, the object with its file, and one more
	err := putObject(objects, "job/small", contentOf("job/small"))
	requireHDFSError(t, err, h, path+"/job/small")
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, objects.Remove(t.Context(), "job/before"), "there is no way out of a full quota but this")
	require.NoError(t, putObject(objects, "job/small", contentOf("job/small")))
}

func quotaOfSpace(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2&block-size=1MiB")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	admin(t, h, "-setSpaceQuota", "3m", path)
	err := putObject(objects, "job/large", contentOf("job/large"))
	requireHDFSError(t, err, h, path+"/job/large")
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, putObject(objects, "job/small", contentOf("job/small")))
}

func permissionTaken(t *testing.T, h *servers.HDFS, path string) {
	openHDFS(t, h.Address, path, "")
	shell(t, h, "-chmod", "755", "/faults")
	shell(t, h, "-chown", "someone", path)
	objects := openHDFS(t, h.Address, path, "attempts=2&user=someone")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	shell(t, h, "-chmod", "500", path+"/job")
	err := putObject(objects, "job/small", contentOf("job/small"))
	requireHDFSError(t, err, h, path+"/job/small")
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorIs(t, objects.Remove(t.Context(), "job/before"), fs.ErrPermission)
	require.Equal(t, contentOf("job/before"), getObject(t, objects, "job/before"))
	shell(t, h, "-chmod", "000", path+"/job")
	_, err = objects.Open(t.Context(), "job/before")
	requireHDFSError(t, err, h, path+"/job/before")
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = objects.List(t.Context(), "job/")
	require.ErrorIs(t, err, fs.ErrPermission)
	shell(t, h, "-chmod", "700", path+"/job")
}

func directoryRemoved(t *testing.T, h *servers.HDFS, path string) {
	objects := openHDFS(t, h.Address, path, "attempts=2")
	require.NoError(t, putObject(objects, "job/before", contentOf("job/before")))
	o, err := objects.Open(t.Context(), "job/before")
	require.NoError(t, err)
	shell(t, h, "-rm", "-r", "-skipTrash", path)
	_, err = objects.Open(t.Context(), "job/before")
	requireHDFSError(t, err, h, path+"/job/before")
	_, err = objects.List(t.Context(), "job/")
	requireHDFSError(t, err, h, path+"/job")
	_, err = o.ReadAt(make([]byte, 1), 0)
	require.Error(t, err)
	require.NoError(t, o.Close())
}

// openHDFS opens a store below a path of HDFS.
func openHDFS(t testing.TB, address, path, query string) checkpoint.Objects {
	objects, err := checkpoint.OpenObjects(context.Background(), "hdfs://"+address+path+"?"+query)
	require.NoError(t, err)
	return objects
}

// contentOf returns the content of an object: 8 MiB if its name ends with large.
func contentOf(name string) []byte {
	if strings.HasSuffix(name, "large") {
		return bytes.Repeat([]byte(name), 8<<20/len(name))
	}
	return []byte(name)
}

// putObject writes an object, and aborts it after an error.
func putObject(objects checkpoint.Objects, name string, content []byte) error {
	return putHDFS(context.Background(), objects, name, content)
}

func putHDFS(ctx context.Context, objects checkpoint.Objects, name string, content []byte) error {
	file, err := objects.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = file.Commit()
	}
	if err != nil {
		_ = file.Abort() // the server may not answer
	}
	return err
}

// putWhile writes a large object, and calls fault when half of it is written.
func putWhile(objects checkpoint.Objects, name string, fault func()) error {
	file, err := objects.Create(context.Background(), name)
	if err != nil {
		return err
	}
	content := contentOf(name)
	_, err = file.Write(content[:len(content)/2])
	fault()
	if err == nil {
		_, err = file.Write(content[len(content)/2:])
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		_ = file.Abort() // the server may not answer
	}
	return err
}

func getObject(t testing.TB, objects checkpoint.Objects, name string) []byte {
	o, err := objects.Open(context.Background(), name)
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	content, err := io.ReadAll(io.NewSectionReader(o, 0, size))
	require.NoError(t, err)
	require.NoError(t, o.Close())
	return content
}

// removeUnfinished removes what writes left that could not be aborted.
func removeUnfinished(t testing.TB, objects checkpoint.Objects) {
	listed, err := objects.List(context.Background(), "")
	require.NoError(t, err)
	for _, o := range listed {
		if o.Unfinished {
			require.NoError(t, objects.Remove(context.Background(), o.Name))
		}
	}
}

// requireHDFSError requires that an error names the URL, and does not call the object missing.
func requireHDFSError(t testing.TB, err error, h *servers.HDFS, path string) {
	t.Helper()
	t.Log(err)
	var p *fs.PathError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "hdfs://"+h.Address+path, p.Path)
	require.NotErrorIs(t, err, fs.ErrNotExist)
}

func admin(t testing.TB, h *servers.HDFS, args ...string) {
	succeed(t, h.Admin(context.Background(), args...))
}

func shell(t testing.TB, h *servers.HDFS, args ...string) {
	succeed(t, h.Shell(context.Background(), args...))
}

func succeed(t testing.TB, command *exec.Cmd) {
	t.Helper()
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
}
