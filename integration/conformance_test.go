package integration

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
	"github.com/weirstate/weir/integration/servers"
	_ "github.com/weirstate/weir/integration/stores"
)

func TestEveryStoreKeepsThePromisesOfObjects(t *testing.T) {
	files := filepath.ToSlash(t.TempDir())
	for name, url := range map[string]func(root string) string{
		"file": func(root string) string { return "file://" + files + "/" + root },
		"s3":   s3URL,
		"hdfs": hdfsURL,
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t testing.TB, root string) checkpoint.Objects {
				objects, err := checkpoint.OpenObjects(context.Background(), url("kit/"+root))
				require.NoError(t, err)
				return objects
			})
		})
	}
}

func TestZooKeeperKeepsThePromisesOfCompleted(t *testing.T) {
	root := newRoot("kit")
	storagetest.RunCompleted(t, func(t testing.TB, job string) (checkpoint.Completed, error) {
		open, err := checkpoint.OpenCompleted("zk://" + shared.ZooKeeper + "/" + root)
		require.NoError(t, err)
		return open(context.Background(), checkpoint.CompletedOptions{Job: job})
	})
}

// s3URL returns the URL of a directory of objects on the shared S3 server.
func s3URL(root string) string { return s3At(shared.S3, root) }

// s3At returns the URL of a directory of objects on an S3 server.
func s3At(endpoint, root string) string {
	return "s3://" + servers.Bucket + "/" + root + "?path-style=true&endpoint=" + endpoint
}

// hdfsURL returns the URL of a directory on the shared HDFS.
func hdfsURL(root string) string { return "hdfs://" + shared.HDFS + "/" + root }

// zkURL returns the URL of a chroot on the shared ZooKeeper, with a session of four seconds: two are too short for a machine
// under load.
func zkURL(root string) string { return zkAt(shared.ZooKeeper, root, 4*time.Second) }

// zkAt returns the URL of a chroot on a ZooKeeper server. A process waits until the session of an earlier one,
// which was killed, has ended.
func zkAt(address, root string, session time.Duration) string {
	return "zk://" + address + "/" + root + "?wait=true&session=" + session.String()
}
