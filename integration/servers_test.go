package integration

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHDFSFaults does the same with the servers of HDFS.
func TestServersStartAgainOnTheSamePortAfterAKill(t *testing.T) {
	ctx := context.Background()
	t.Run("s3", func(t *testing.T) {
		s := startS3(t)
		require.NoError(t, s.Kill())
		require.Zero(t, s.PID())
		requireNobodyListens(t, strings.TrimPrefix(s.Endpoint, "http://"))
		require.NoError(t, s.Start(ctx))
		require.NotZero(t, s.PID())
	})
	t.Run("zookeeper", func(t *testing.T) {
		z := startZooKeeper(t)
		require.NoError(t, z.Pause())
		require.NoError(t, z.Kill(), "also while it is paused")
		requireNobodyListens(t, z.Address)
		require.NoError(t, z.Start(ctx))
	})
}

func requireNobodyListens(t *testing.T, address string) {
	_, err := net.Dial("tcp", address)
	require.Error(t, err)
}

func TestSharedServersAnswer(t *testing.T) {
	answer, err := http.Get(shared.S3 + "/health")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)
	for _, address := range []string{shared.HDFS, shared.ZooKeeper} {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
}
