package s3store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

func TestConformance(t *testing.T) {
	for name, query := range map[string]string{
		"default":       "",
		"entropy":       "&entropy=1",
		"single writer": "&single-writer=true",
	} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			storagetest.Run(t, func(t testing.TB, root string) checkpoint.Objects {
				objects, err := checkpoint.OpenObjects(t.Context(), server.address(root, query))
				require.NoError(t, err)
				return objects
			})
		})
	}
}
