package main

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChildThatFailsSaysWhy(t *testing.T) {
	d, _ := testDeck(t)
	require.NoError(t, os.Remove(partitionPath(d.Dir, 0)))
	_, err := testPlan(t, d, "hash", "none", uninterrupted).measure(context.Background(), nil)
	require.ErrorContains(t, err, "partition-0")
}

func TestChildEndsWithItsParent(t *testing.T) {
	d, _ := testDeck(t)
	p := testPlan(t, d, "hash", "file", killedTwice)
	c, err := startProcess(context.Background(), p.order(p.processes()[0]))
	require.NoError(t, err)
	defer func() { require.NoError(t, c.close()) }()
	_, err = c.next()
	require.NoError(t, err)
	require.NoError(t, c.stdin.Close()) // as the end of the parent would
	for err == nil {
		_, err = c.next()
	}
	require.ErrorIs(t, err, io.EOF)
}

func TestNextTellsThatTheChildHasEnded(t *testing.T) {
	d, _ := testDeck(t)
	p := testPlan(t, d, "hash", "file", killedTwice)
	c, err := startProcess(context.Background(), p.order(p.processes()[0]))
	require.NoError(t, err)
	require.NoError(t, c.command.Process.Kill())
	for err == nil {
		_, err = c.next()
	}
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.close())
}
