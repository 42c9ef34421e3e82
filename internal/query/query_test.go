package query

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestApplySetsEachKindOfOption(t *testing.T) {
	var (
		on    bool
		name  string
		count int
		size  int64
		limit time.Duration
	)
	require.NoError(t, Apply("on=true&name=a+b%20c&count=3&size=2KiB&time=2m",
		Bool("on", &on), Text("name", "a name", &name), Count("count", &count), Size("size", 1, &size), Duration("time", &limit)))
	require.Equal(t, "2m0s", limit.String())
	require.Error(t, Apply("time=0s", Duration("time", &limit)))
	require.Error(t, Apply("time=5", Duration("time", &limit)))
	require.True(t, on)
	require.Equal(t, "a+b c", name)
	require.Equal(t, 3, count)
	require.EqualValues(t, 2048, size)
}

func TestApplySomeReturnsTheOtherKeys(t *testing.T) {
	var on bool
	rest, err := ApplySome("z=1%2B1+1%201&on=true&a=%26", Bool("on", &on))
	require.NoError(t, err)
	require.Equal(t, "a=%26&z=1%2B1%2B1%201", rest)
	require.True(t, on)
}

func TestErrorsNameTheLegalKeysAndQuoteNothing(t *testing.T) {
	var count int
	for query, want := range map[string]string{
		"canary=1":        "unknown query key: want count",
		"count=canary":    "illegal value of query key count: want a whole number from 1",
		"count=0":         "illegal value of query key count: want a whole number from 1",
		"count=1&count=1": "query key count appears more than once",
		"canary=%zz":      "malformed query: want key=value&key=value",
		"count=1&":        "malformed query: want key=value&key=value",
	} {
		require.EqualError(t, Apply(query, Count("count", &count)), want, query)
	}
}

func TestErrorNamesTheKeyThatIsSimilar(t *testing.T) {
	keys := []Key{{Name: "path-style"}, {Name: "pack"}, {Name: "part"}, {Name: "dir"}, {Name: "wait"}}
	const want = ": want path-style, pack, part, dir, wait"
	for query, similar := range map[string]string{
		"path-stlye=1": "path-style", "path_style=1": "path-style", "PATHSTYLE": "path-style", "pak=1": "pack", "parts=1": "part",
		"dit=1": "dir", "zzz=1&wiat=1": "", "zzz=1&wai=1": "wait", "d": "", "": "", "path-styles-of-others=1": "", "=1": "",
	} {
		err := Apply(query, keys...)
		switch {
		case query == "":
			require.NoError(t, err)
		case similar == "":
			require.EqualError(t, err, "unknown query key"+want, query)
		default:
			require.EqualError(t, err, "unknown query key, similar to "+similar+want, query)
		}
	}
}

func TestKeysAreAddedToAnError(t *testing.T) {
	err := fmt.Errorf("store: %w", Apply("bugdet=1", Key{Name: "region"}, Key{Name: "sync"}))
	require.EqualError(t, err, "store: unknown query key: want region, sync")
	err, ok := AddKeys(err, Key{Name: "sync"}, Key{Name: "budget"})
	require.True(t, ok)
	require.EqualError(t, err, "unknown query key, similar to budget: want sync, budget, region")
	_, ok = AddKeys(errors.New("other"), Key{Name: "sync"})
	require.False(t, ok)
	_, ok = AddKeys(nil, Key{Name: "sync"})
	require.False(t, ok)
}

func TestSizesInErrorsHaveTheLargestUnit(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0B", 1: "1B", 512: "512B", 1024: "1KiB", 1536: "1536B", 5 << 20: "5MiB", 5<<20 + 1024: "5121KiB", 3 << 30: "3GiB", 1000: "1000B",
	} {
		require.EqualError(t, Apply("size=x", Size("size", bytes, new(int64))),
			"illegal value of query key size: want a size from "+want+", such as 5MiB, in B, KiB, MiB, GiB, kB, MB or GB")
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("count=1&size=2KiB&rest=x")
	f.Add("count=1;size=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		var (
			count int
			size  int64
		)
		rest, err := ApplySome(query, Count("count", &count), Size("size", 1, &size))
		if err != nil {
			return
		}
		require.True(t, count >= 0 && size >= 0)
		again, err := ApplySome(rest, Count("count", &count), Size("size", 1, &size))
		require.NoError(t, err)
		require.Equal(t, rest, again)
	})
}
