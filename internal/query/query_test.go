package query

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestApplySetsEachKindOfOption(t *testing.T) {
	var (
		on    bool
		name  string
		count int
		size  int64
	)
	require.NoError(t, Apply("on=true&name=a+b%20c&count=3&size=2KiB",
		Bool("on", &on), Text("name", "a name", &name), Count("count", &count), Size("size", 1, &size)))
	require.True(t, on)
	require.Equal(t, "a+b c", name)
	require.Equal(t, 3, count)
	require.EqualValues(t, 2048, size)
}

func TestApplySomeReturnsTheOtherKeys(t *testing.T) {
	var on bool
	rest, err := ApplySome("z=1%2B1&on=true&a=%26", Bool("on", &on))
	require.NoError(t, err)
	require.Equal(t, "a=%26&z=1%2B1", rest)
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
