package integration

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/integration/servers"
	"github.com/weirstate/weir/internal/bench/harness"
)

// shared are the addresses of the servers that all tests use. A test that stops, kills or pauses a server
// starts one of its own.
var shared servers.Addresses

// TestMain lets the test binary run as a child process of the harness. It refuses to run without servers:
// tests that need one are never skipped.
func TestMain(m *testing.M) {
	harness.ServeIfChild()
	var err error
	if shared, err = servers.FromEnvironment(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startS3 starts an S3 server with a bucket for one test.
func startS3(t testing.TB) *servers.S3 {
	s, err := installed(t).StartS3(context.Background(), t.TempDir(), 0)
	require.NoError(t, err)
	stopAtEnd(t, s)
	require.NoError(t, s.CreateBucket(servers.Bucket))
	return s
}

// startHDFS starts a NameNode and a DataNode for one test, which takes about 10 s.
func startHDFS(t testing.TB) *servers.HDFS {
	dir := t.TempDir()
	h, err := installed(t).StartHDFS(context.Background(), dir, 0)
	require.NoError(t, err)
	stopAtEnd(t, h)
	web, err := filepath.Glob(filepath.Join(dir, "jetty-*"))
	require.NoError(t, err)
	require.NotEmpty(t, web, "temporary files of the web servers are not in the directory of the server")
	return h
}

// startZooKeeper starts a ZooKeeper server for one test.
func startZooKeeper(t testing.TB) *servers.ZooKeeper {
	z, err := installed(t).StartZooKeeper(context.Background(), t.TempDir(), 0)
	require.NoError(t, err)
	stopAtEnd(t, z)
	return z
}

// installed returns the installation, which integration/run has made.
func installed(t testing.TB) servers.Installation {
	i, err := servers.Install(context.Background(), io.Discard)
	require.NoError(t, err)
	return i
}

// stopAtEnd stops a server at the end of the test, and logs the end of the server's log if the test has
// failed.
func stopAtEnd(t testing.TB, s interface {
	Stop() error
	LogTail() string
}) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.LogTail())
		}
		require.NoError(t, s.Stop())
	})
}
