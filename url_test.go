package weir_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
	"github.com/weirstate/weir/internal/query"
	"github.com/weirstate/weir/state"
)

func TestMemoryURLSetsItsOptions(t *testing.T) {
	limits := func(maxState, frame, total int64) checkpoint.MemoryOptions {
		return checkpoint.MemoryOptions{MaxStateBytes: maxState, FrameBytes: frame, TotalBytes: total}
	}
	for text, want := range map[string]weir.MemoryOptions{
		"memory:":                       {},
		"memory://":                     {},
		"MEMORY:":                       {},
		"memory:?index=hash&sync=false": {},
		"memory:?index=%62tree":         {Index: weir.BTree},
		"memory:?sync=true":             {Synchronous: true},
		"memory:?total=1B":              {Checkpoints: limits(0, 0, 1)},
		"memory:?max-state=9MB&frame=9223372036854775807B":                 {Checkpoints: limits(9e6, 1<<63-1, 0)},
		"memory:?index=btree&sync=true&max-state=3kB&frame=4MiB&total=5GB": {Index: weir.BTree, Synchronous: true, Checkpoints: limits(3000, 4<<20, 5e9)},
		"memory:?max-state=3KiB&frame=1GiB&total=01B":                      {Checkpoints: limits(3<<10, 1<<30, 1)},
	} {
		got, err := weir.Open(context.Background(), text)
		require.NoError(t, err, text)
		preset, err := weir.Memory(want)
		require.NoError(t, err)
		requireSame(t, preset, got)
		require.Equal(t, want.Synchronous, preset.Synchronous)
		require.Equal(t, want.Synchronous, got.Synchronous)
	}
}

func TestFsURLSetsItsOptions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%c?")
	file := (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String()
	inline := func(bytes int64) checkpoint.StorageOptions { return checkpoint.StorageOptions{InlineBytes: bytes} }
	for query, want := range map[string]weir.FsOptions{
		"":                         {},
		"?index=hash&sync=false":   {},
		"?index=btree":             {Index: weir.BTree},
		"?sync=true&inline=100kB":  {Synchronous: true, Checkpoints: inline(100e3)},
		"?inline=0B":               {Checkpoints: inline(-1)},
		"?inline=1MiB&index=btree": {Index: weir.BTree, Checkpoints: inline(1 << 20)},
		"?pack=2MiB&inline=1B":     {Checkpoints: checkpoint.StorageOptions{InlineBytes: 1, PackBytes: 2 << 20}},
		"?pack=0B":                 {Checkpoints: checkpoint.StorageOptions{PackBytes: -1}},
	} {
		got, err := weir.Open(context.Background(), "fs+"+file+query)
		require.NoError(t, err, query)
		require.DirExists(t, dir)
		require.NoError(t, os.Remove(dir))
		preset, err := weir.Fs(context.Background(), file, want)
		require.NoError(t, err)
		requireSame(t, preset, got)
		require.Equal(t, want.Synchronous, preset.Synchronous)
		require.Equal(t, want.Synchronous, got.Synchronous)
	}
}

// requireSame requires that two presets have equal storages and the same index.
func requireSame(t *testing.T, want, got *weir.Preset) {
	t.Helper()
	require.Equal(t, want.Storage, got.Storage)
	require.Equal(t, indexOf(t, want), indexOf(t, got))
}

func TestErrorOfAnUnusableURLListsTheLegalValues(t *testing.T) {
	const size = "a size from 1B, such as 5MiB, in B, KiB, MiB, GiB, kB, MB or GB"
	file := "fs+" + fileURL(t)
	for text, want := range map[string]string{
		"":                                   "preset: unknown scheme \"\": want memory, fs+<scheme> or lsm+<scheme>",
		":":                                  "preset: malformed URL",
		"memory":                             "preset: unknown scheme \"\": want memory, fs+<scheme> or lsm+<scheme>",
		"file:///tmp":                        "preset: unknown scheme \"file\": want memory, fs+<scheme> or lsm+<scheme>",
		"tree+file:///tmp":                   "preset: unknown scheme \"tree+file\": want memory, fs+<scheme> or lsm+<scheme>",
		"fs+gopher://there":                  "fs preset: unknown scheme \"gopher\": want one of file",
		"fs+:///tmp":                         "fs preset: unknown scheme \"\": want one of file",
		"fs+file:relative":                   "fs preset: the path is not absolute: want file:///absolute/directory",
		"memory:relative":                    "memory preset: only a query may follow the scheme: want memory:?key=value",
		"memory://user:password@":            "memory preset: only a query may follow the scheme: want memory:?key=value",
		"memory://host":                      "memory preset: only a query may follow the scheme: want memory:?key=value",
		"memory:///path":                     "memory preset: only a query may follow the scheme: want memory:?key=value",
		"memory:?index=hash#part":            "memory preset: only a query may follow the scheme: want memory:?key=value",
		"memory:?":                           "preset: empty query: remove the question mark",
		"memory://?":                         "preset: empty query: remove the question mark",
		file + "?":                           "preset: empty query: remove the question mark",
		"lsm" + file[2:] + "?":               "preset: empty query: remove the question mark",
		file + "#":                           "preset: empty fragment: remove the number sign",
		"memory:#":                           "preset: empty fragment: remove the number sign",
		"memory:?&":                          "memory preset: malformed query: want key=value&key=value",
		file + "?&sync=true":                 "fs preset: malformed query: want key=value&key=value",
		file + "?sync=true&":                 "fs preset: malformed query: want key=value&key=value",
		"memory:?a;b":                        "memory preset: malformed query: want key=value&key=value",
		"memory:?sync=%zz":                   "memory preset: malformed query: want key=value&key=value",
		"memory:?inline=1MiB":                "memory preset: unknown query key: want index, sync, max-state, frame, total",
		"memory:?Index=hash":                 "memory preset: unknown query key, similar to index: want index, sync, max-state, frame, total",
		"memory:?index":                      "memory preset: illegal value of query key index: want hash or btree",
		"memory:?index=HASH":                 "memory preset: illegal value of query key index: want hash or btree",
		"memory:?index=hash&index=hash":      "memory preset: query key index appears more than once",
		"memory:?sync=1":                     "memory preset: illegal value of query key sync: want true or false",
		"memory:?total=":                     "memory preset: illegal value of query key total: want " + size,
		"memory:?total=0B":                   "memory preset: illegal value of query key total: want " + size,
		"memory:?total=5":                    "memory preset: illegal value of query key total: want " + size,
		"memory:?total=MiB":                  "memory preset: illegal value of query key total: want " + size,
		"memory:?total=-1MiB":                "memory preset: illegal value of query key total: want " + size,
		"memory:?total=%2B1MiB":              "memory preset: illegal value of query key total: want " + size,
		"memory:?total=1.5MiB":               "memory preset: illegal value of query key total: want " + size,
		"memory:?total=1 MiB":                "memory preset: illegal value of query key total: want " + size,
		"memory:?total=1mib":                 "memory preset: illegal value of query key total: want " + size,
		"memory:?total=1KB":                  "memory preset: illegal value of query key total: want " + size,
		"memory:?total=9223372036855GiB":     "memory preset: illegal value of query key total: want " + size,
		"memory:?total=9007199254740992KiB":  "memory preset: illegal value of query key total: want " + size,
		"memory:?total=9223372036854775808B": "memory preset: illegal value of query key total: want " + size,
		file + "?total=1MiB":                 "fs preset: unknown query key: want index, sync, inline, pack, completed",
		file + "?inline=-1B":                 "fs preset: illegal value of query key inline: want " + strings.Replace(size, "1B", "0B", 1),
	} {
		p, err := weir.Open(context.Background(), text)
		require.ErrorIs(t, err, checkpoint.ErrURL, text)
		require.Equal(t, want, strings.TrimSuffix(err.Error(), ": "+checkpoint.ErrURL.Error()), text)
		require.Nil(t, p)
	}
	for _, query := range []string{"?inline=2MiB", "?pack=17MiB"} {
		_, err := weir.Open(context.Background(), file+query)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
	}
}

func TestUnknownKeyIsComparedWithTheKeysOfPresetAndStorage(t *testing.T) {
	require.NoError(t, checkpoint.Register("keyed", func(_ context.Context, u *url.URL) (checkpoint.Objects, error) {
		var region string
		if err := query.Apply(u.RawQuery, query.Text("region", "a region", &region), query.Text("path-style", "a style", &region)); err != nil {
			return nil, fmt.Errorf("keyed: %w: %w", err, checkpoint.ErrURL)
		}
		return checkpoint.NewFiles(t.TempDir())
	}))
	require.NoError(t, checkpoint.RegisterCompleted("list", func(*url.URL) (checkpoint.CompletedOpener, error) { return nil, nil }))
	const (
		fs     = ": want index, sync, inline, pack, completed"
		lsm    = ": want dir, budget, tier, compression, max-open-files, incremental, snapshots, local-recovery, sync, inline, pack, completed"
		keyed  = ", region, path-style"
		encode = "; in the URL of completed write each & as %26"
	)
	file := fileURL(t)
	for text, want := range map[string]string{
		"fs+keyed://x?path-stlye=CANARY":                             ", similar to path-style" + fs + keyed,
		"fs+keyed://x?inlin=CANARY":                                  ", similar to inline" + fs + keyed,
		"lsm+keyed://x?bugdet=CANARY":                                ", similar to budget" + lsm + keyed,
		"lsm+keyed://x?CANARY=1":                                     lsm + keyed,
		"lsm+keyed://x?completed=list://CANARY?a=b&CANARY=true":      lsm + keyed + encode,
		"fs+" + file + "?completed=list://CANARY?session=2s&CANARY":  fs + encode,
		"fs+" + file + "?completed=list://CANARY&CANARY":             fs,
		"lsm+" + file + "?completed=list://CANARY?session=2s&CANARY": lsm + encode,
	} {
		_, err := weir.Open(t.Context(), text)
		require.ErrorIs(t, err, checkpoint.ErrURL, text)
		preset, _, _ := strings.Cut(text, "+")
		require.EqualError(t, err, preset+" preset: unknown query key"+want+": "+checkpoint.ErrURL.Error(), text)
	}
}

func TestErrorNamesThePackageToImport(t *testing.T) {
	for text, path := range map[string]string{
		"fs+s3://CANARY/x": "s3store", "lsm+hdfs://CANARY/x?dir=/CANARY": "hdfsstore", "fs+" + fileURL(t) + "?completed=zk://CANARY/x": "zkstore",
	} {
		_, err := weir.Open(t.Context(), text)
		require.ErrorIs(t, err, checkpoint.ErrURL, text)
		require.ErrorContains(t, err, `is not imported: add import _ "github.com/weirstate/weir/checkpoint/`+path+`"`)
		require.NotContains(t, err.Error(), "CANARY")
	}
}

func TestURLErrorsQuoteNothingButTheScheme(t *testing.T) {
	for _, text := range []string{
		"memory://user:canary@host", "memory:?canary=1", "memory:?index=canary", "memory:?sync=canary", "memory:?total=canary",
		"memory:canary", "memory:?canary=%zz", "fs+file://user:canary@localhost/tmp", "fs+file:///tmp?canary=canary",
		"fs+file:///tmp?inline=canary", "fs+file:canary", "fs+file://canary/", "fs+file:///tmp#canary", "fs+file:///\x7fcanary",
	} {
		_, err := weir.Open(context.Background(), text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "canary", text)
	}
}

// The decoding of HTML forms turns a plus sign into a space, which would name another
// directory.
func TestPlusSignInADirectoryNameIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c++")
	p, err := weir.Open(context.Background(), "lsm+"+fileURL(t)+"?dir="+filepath.ToSlash(dir)+"/a%20b")
	require.NoError(t, err)
	b, err := p.Open(state.Options{})
	require.NoError(t, err)
	require.DirExists(t, filepath.Join(dir, "a b", "backend-0"))
	require.NoError(t, b.Close())
	require.NoError(t, p.Close())
}

func TestURLOfAPresetNamesTheCompletedStore(t *testing.T) {
	var got []string
	require.NoError(t, checkpoint.RegisterCompleted("shared", func(u *url.URL) (checkpoint.CompletedOpener, error) {
		got = append(got, u.Host+u.Path+" "+u.RawQuery)
		return func(context.Context, checkpoint.CompletedOptions) (checkpoint.Completed, error) {
			return nil, checkpoint.ErrLocked
		}, nil
	}))
	for _, preset := range []string{"fs+", "lsm+"} {
		file := preset + fileURL(t)
		got = nil
		for query, want := range map[string]string{
			"?completed=shared://h1:2181,h2:2181/weir":                    "h1:2181,h2:2181/weir ",
			"?sync=true&completed=shared://h1/weir?session=5s%26acl=open": "h1/weir session=5s&acl=open",
			"?completed=shared%3A%2F%2Fh1%2Fa%3Fb%3Dc":                    "h1/a b=c",
		} {
			p, err := weir.Open(context.Background(), file+query)
			require.NoError(t, err, query)
			require.Equal(t, []string{want}, got, query)
			got = nil
			_, err = checkpoint.NewCoordinator(context.Background(), checkpoint.Options{Job: "job", Storage: p.Storage})
			require.ErrorIs(t, err, checkpoint.ErrLocked)
			require.NoError(t, p.Close())
		}
		for _, query := range []string{
			"?completed=", "?completed=gopher://CANARY", "?completed=shared://user:CANARY@h/x", "?completed=shared://h/x?password=CANARY",
			"?completed=shared://h/%25zzCANARY", "?completed=CANARY",
		} {
			_, err := weir.Open(context.Background(), file+query)
			require.ErrorIs(t, err, checkpoint.ErrURL, query)
			require.NotContains(t, err.Error(), "CANARY", query)
		}
	}
	require.Empty(t, got)
}

func TestURLsOfPresetsHaveNoSecrets(t *testing.T) {
	file := fileURL(t)
	local := "?dir=" + url.QueryEscape(t.TempDir())
	open := func(rawURL string) error {
		p, err := weir.Open(t.Context(), rawURL)
		if err == nil {
			err = p.Close()
		}
		return err
	}
	for _, valid := range []string{"memory://", "fs+" + file, "lsm+" + file + local} {
		t.Run(valid[:3], func(t *testing.T) { storagetest.RunURL(t, valid, open) })
	}
	storagetest.RunURL(t, file, func(rawURL string) error {
		_, err := weir.Fs(t.Context(), rawURL, weir.FsOptions{})
		return err
	})
	storagetest.RunURL(t, file, func(rawURL string) error {
		p, err := weir.LSM(t.Context(), rawURL, weir.LSMOptions{Dir: t.TempDir()})
		if err == nil {
			err = p.Close()
		}
		return err
	})
}
