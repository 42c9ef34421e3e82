//go:build integration

package hdfsstore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// These tests need a NameNode: integration/run starts one, sets WEIR_HDFS to its address and runs
// them with the build tag integration.

// connectReal returns a client of the NameNode, as a Store has.
func connectReal(t *testing.T) client {
	address := os.Getenv("WEIR_HDFS")
	require.NotEmpty(t, address, "WEIR_HDFS: run the tests with integration/run")
	o, library, err := Options{NameNodes: []string{address}, Path: "/assumptions"}.resolve()
	require.NoError(t, err)
	s, err := dialSession(t.Context(), o, library)
	require.NoError(t, err)
	t.Cleanup(s.close)
	return s.client
}

func TestAssumptionsHoldOnNameNode(t *testing.T) {
	for i, a := range assumptions {
		t.Run(a.name, func(t *testing.T) {
			c := connectReal(t)
			dir := fmt.Sprintf("/assumptions/%d-%d", time.Now().UnixNano(), i)
			require.NoError(t, c.makeDirs(dir))
			a.check(t, c, dir)
			require.NoError(t, c.removeTree(dir))
		})
	}
}

func TestOneOfTwoRenamesWinsOnNameNode(t *testing.T) {
	dir := fmt.Sprintf("/assumptions/%d-race", time.Now().UnixNano())
	requireOneRenameWins(t, func() client { return connectReal(t) }, dir)
	require.NoError(t, connectReal(t).removeTree(dir))
}
