package s3store

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysOfDataObjectsHaveAHash(t *testing.T) {
	k := keys{prefix: "pre/fix/", entropy: 1}
	for name, hashed := range map[string]bool{
		"job/chk-7/1-op-0":                  true,
		"job/shared/s7-1-op-0.table":        true,
		"job/chk-7/_metadata":               false,
		"job/completed/0000000000000000007": false,
		"job/attempts/0000000000000000001":  false,
		"job":                               false,
		"chk-1/a":                           false,
		"shared/a":                          false,
		"job/chk-7/a/b":                     true,
	} {
		key := k.of(name)
		require.Equal(t, hashed, key != "pre/fix/"+name, name)
		if hashed {
			require.Regexp(t, `^pre/fix/\.e[0-9a-f]/`+name+`$`, key)
		}
	}
	require.Equal(t, "job/chk-7/1-op-0", keys{}.of("job/chk-7/1-op-0"))
}

func TestForeignKeysAreNotNames(t *testing.T) {
	k := keys{prefix: "p/", entropy: 1}
	for _, key := range []string{
		"", "p", "p/", "q/job/a", "p/job/completed/", "p//job", "p/job/a b", "p/job/\xff", "p/.weir-store", "p/.e0/", "p/.e",
		"p/job/chk-7/1-op-0", // has a hash in this prefix
		"p/.e0/job/completed/0000000000000000007", "p/.e00/job/chk-7/1-op-0", "p/.e0/.e0/job/chk-7/1-op-0", "p/job/.hidden",
	} {
		_, ok := k.name(key)
		require.False(t, ok, "%q", key)
	}
}

// FuzzKeys checks that each name has a key of its own, and that a listing by any prefix of the name
// finds the key.
func FuzzKeys(f *testing.F) {
	f.Add("job/chk-7/1-op-0", uint8(1), "pre/", 5)
	f.Add("job/shared/s1-1-op-0.x", uint8(2), "", 12)
	f.Add("job/chk-7/_metadata", uint8(1), "", 19)
	f.Fuzz(func(t *testing.T, name string, entropy uint8, prefix string, length int) {
		k := keys{prefix: prefix, entropy: int(entropy % (maxEntropy + 1))}
		if got, ok := k.name(name); ok {
			require.Equal(t, name, k.of(got), "each key that is accepted is the one of its name")
		}
		if checkName(name) != nil {
			return
		}
		key := k.of(name)
		got, ok := k.name(key)
		require.True(t, ok)
		require.Equal(t, name, got)
		start := name[:max(0, min(length, len(name)))]
		require.True(t, slices.ContainsFunc(k.prefixes(start), func(p string) bool { return strings.HasPrefix(key, p) }),
			"%q is not listed by %q", key, start)
	})
}
