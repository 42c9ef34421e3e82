package hdfsstore

import (
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// The library returns a refusal with the path of the call, and without the answer of the NameNode.
func TestRefusalsNameTheUserAndThePath(t *testing.T) {
	for name, refusal := range map[string]error{
		"of the library":  &fs.PathError{Op: "mkdir", Path: "/root", Err: fs.ErrPermission},
		"of the NameNode": exception{classAccess, "Permission denied: user=flows, access=WRITE, inode=\"/root\":hdfs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newFakeNode()
				n.before = func(_ int, method string) error {
					if method == "makeDirs" {
						return refusal
					}
					return nil
				}
				s := n.store(1)
				s.user = "flows"
				err := s.begin(t.Context())
				require.ErrorIs(t, err, fs.ErrPermission)
				require.ErrorContains(t, err, `user "flows"`)
				require.Regexp(t, `open hdfs://namenode:8020/root: .*[ "]/root[ "]`, err.Error())
				require.NoError(t, s.Close())
			})
		})
	}
}
