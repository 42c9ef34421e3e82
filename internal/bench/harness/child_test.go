package harness

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/dataset"
)

func TestErrorOfTheChildIsReturned(t *testing.T) {
	d, _ := benchtest.SmallDataset(t)
	require.NoError(t, os.Remove(dataset.PartitionPath(d.Dir, 0)))
	_, err := testPlan(t, d, "hash", "none", Uninterrupted).Measure(context.Background(), nil)
	require.ErrorContains(t, err, "partition-0")
}

func TestChildEndsWithItsParent(t *testing.T) {
	d, _ := benchtest.SmallDataset(t)
	p := testPlan(t, d, "hash", "file", KilledTwice)
	c, err := startProcess(context.Background(), p.request(p.processes()[0]))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.close()) }()
	_, err = c.next()
	require.NoError(t, err)
	require.NoError(t, c.stdin.Close()) // the system does so when the parent ends
	for err == nil {
		_, err = c.next()
	}
	require.ErrorIs(t, err, io.EOF)
}

func TestNextReturnsEOFAfterTheChildWasKilled(t *testing.T) {
	d, _ := benchtest.SmallDataset(t)
	p := testPlan(t, d, "hash", "file", KilledTwice)
	c, err := startProcess(context.Background(), p.request(p.processes()[0]))
	require.NoError(t, err)
	require.NoError(t, c.command.Process.Kill())
	for err == nil {
		_, err = c.next()
	}
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.close())
}
