package weir

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
)

// Open opens the preset that a URL names. The scheme selects the backend; for fs and lsm it
// is followed by a plus sign and the scheme of the checkpoint storage:
//
//	URL                      live state           checkpoints      example
//	memory:                  heap                 same process     memory:?index=btree
//	fs+<storage URL>         heap                 storage          fs+file:///var/checkpoints
//	lsm+<storage URL>        trees on local disk  storage          lsm+file:///var/checkpoints?dir=/var/weir
//
// The storage URL is file:///absolute/directory, or has a scheme that checkpoint.Register
// added. Query keys set options; all are optional:
//
//	key             presets      value            default      option
//	index           memory fs    hash, btree      hash         Index
//	sync            all          true, false      false        Synchronous
//	inline          fs lsm       size from 0B     20KiB        checkpoint.StorageOptions.InlineBytes; 0B inlines nothing
//	max-state       memory       size             5MiB         checkpoint.MemoryOptions.MaxStateBytes
//	frame           memory       size             10MiB        checkpoint.MemoryOptions.FrameBytes
//	total           memory       size             256MiB       checkpoint.MemoryOptions.TotalBytes
//	dir             lsm          directory        temporary    LSMOptions.Dir
//	budget          lsm          size             64MiB        LSMOptions.BudgetBytes
//	compression     lsm          none, s2, zstd   s2           LSMOptions.Compression; one per level: s2,zstd
//	max-open-files  lsm          number from 1    400          LSMOptions.MaxOpenFiles
//	incremental     lsm          true, false      true         LSMOptions.Full is the opposite
//	snapshots       lsm          native, portable native       LSMOptions.Portable
//	local-recovery  lsm          true, false      false        LSMOptions.LocalRecovery
//
// A size is a whole number with a unit: B, KiB, MiB, GiB (powers of 1024), kB, MB or GB
// (powers of 1000). In values a plus sign stands for itself; write a space as %20.
//
// Open returns checkpoint.ErrURL for any other URL, and checkpoint.ErrInvalidOption for a
// size that the storage refuses. Errors quote only the scheme of the URL, because its other
// parts may hold a password.
func Open(ctx context.Context, rawURL string) (*Preset, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // err quotes the URL
		return nil, fmt.Errorf("preset: malformed URL: %w", checkpoint.ErrURL)
	}
	if u.ForceQuery {
		return nil, fmt.Errorf("preset: empty query: remove the question mark: %w", checkpoint.ErrURL)
	}
	if strings.HasSuffix(rawURL, "#") {
		return nil, fmt.Errorf("preset: empty fragment: remove the number sign: %w", checkpoint.ErrURL)
	}
	if u.Scheme == "memory" {
		return openMemory(u)
	}
	if storage, ok := strings.CutPrefix(u.Scheme, "fs+"); ok {
		return openFs(ctx, u, storage)
	}
	if storage, ok := strings.CutPrefix(u.Scheme, "lsm+"); ok {
		return openLSM(ctx, u, storage)
	}
	return nil, fmt.Errorf("preset: unknown scheme %q: want memory, fs+<scheme> or lsm+<scheme>: %w", u.Scheme, checkpoint.ErrURL)
}

func openMemory(u *url.URL) (*Preset, error) {
	if u.Opaque != "" || u.User != nil || u.Host != "" || u.Path != "" || u.Fragment != "" {
		return nil, fmt.Errorf("memory preset: only a query may follow the scheme: want memory:?key=value: %w", checkpoint.ErrURL)
	}
	var o MemoryOptions
	if err := applyQuery(u.RawQuery, indexKey(&o.Index), boolKey("sync", &o.Synchronous),
		sizeKey("max-state", 1, &o.Checkpoints.MaxStateBytes),
		sizeKey("frame", 1, &o.Checkpoints.FrameBytes),
		sizeKey("total", 1, &o.Checkpoints.TotalBytes),
	); err != nil {
		return nil, fmt.Errorf("memory preset: %w", err)
	}
	return Memory(o)
}

func openFs(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	var o FsOptions
	if err := applyQuery(u.RawQuery, indexKey(&o.Index), boolKey("sync", &o.Synchronous),
		inlineKey(&o.Checkpoints.InlineBytes),
	); err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	return Fs(ctx, storageURL(u, scheme), o)
}

func openLSM(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	o, incremental := LSMOptions{}, true
	if err := applyQuery(u.RawQuery, directoryKey(&o.Dir), sizeKey("budget", 1, &o.BudgetBytes),
		compressionKey(&o.Compression), countKey("max-open-files", &o.MaxOpenFiles),
		boolKey("incremental", &incremental), snapshotsKey(&o.Portable), boolKey("local-recovery", &o.LocalRecovery),
		boolKey("sync", &o.Synchronous), inlineKey(&o.Checkpoints.InlineBytes),
	); err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	o.Full = !incremental
	return LSM(ctx, storageURL(u, scheme), o)
}

// storageURL returns the URL of the checkpoint storage: u with another scheme and without
// the query.
func storageURL(u *url.URL, scheme string) string {
	storage := *u
	storage.Scheme, storage.RawQuery = scheme, ""
	return storage.String()
}

// queryKey is one key that a query may have.
type queryKey struct {
	name string
	want string                  // the legal values, for errors
	set  func(value string) bool // stores the value; false if it is illegal
}

// applyQuery sets the options for the keys of a query. Each key may appear once.
func applyQuery(query string, keys ...queryKey) error {
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")) // a plus would become a space
	emptyPart := query != "" && slices.Contains(strings.Split(query, "&"), "")
	if err != nil || emptyPart { // err quotes the query
		return fmt.Errorf("malformed query: want key=value&key=value: %w", checkpoint.ErrURL)
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.Index(names, name)
		switch {
		case i < 0:
			return fmt.Errorf("unknown query key: want %s: %w", strings.Join(names, ", "), checkpoint.ErrURL)
		case len(values[name]) > 1:
			return fmt.Errorf("query key %s appears more than once: %w", name, checkpoint.ErrURL)
		case !keys[i].set(values.Get(name)):
			return fmt.Errorf("illegal value of query key %s: want %s: %w", name, keys[i].want, checkpoint.ErrURL)
		}
	}
	return nil
}

// enumKey returns a key whose values are the keys of the map values.
func enumKey[T any](name, want string, values map[string]T, option *T) queryKey {
	return queryKey{name, want, func(value string) bool {
		v, ok := values[value]
		if ok {
			*option = v
		}
		return ok
	}}
}

func indexKey(option *Index) queryKey {
	return enumKey("index", "hash or btree", map[string]Index{"hash": Hash, "btree": BTree}, option)
}

func boolKey(name string, option *bool) queryKey {
	return enumKey(name, "true or false", map[string]bool{"true": true, "false": false}, option)
}

// snapshotsKey sets LSMOptions.Portable.
func snapshotsKey(option *bool) queryKey {
	return enumKey("snapshots", "native or portable", map[string]bool{"native": false, "portable": true}, option)
}

func directoryKey(option *string) queryKey {
	return queryKey{"dir", "the path of a directory", func(value string) bool { *option = value; return value != "" }}
}

func countKey(name string, option *int) queryKey {
	return queryKey{name, "a whole number from 1", func(value string) bool {
		n, err := strconv.ParseUint(value, 10, 31)
		*option = int(n)
		return err == nil && n > 0
	}}
}

// compressionKey sets the compression of level 0, level 1 and so on from names that commas
// separate.
func compressionKey(option *[]lsm.Compression) queryKey {
	names := map[string]lsm.Compression{"none": lsm.NoCompression, "s2": lsm.S2, "zstd": lsm.Zstd}
	return queryKey{"compression", "none, s2 or zstd, or one of them per level with commas between", func(value string) bool {
		for name := range strings.SplitSeq(value, ",") {
			c, ok := names[name]
			if !ok {
				return false
			}
			*option = append(*option, c)
		}
		return true
	}}
}

// sizeKey returns a key whose value is a size of at least minBytes.
func sizeKey(name string, minBytes int64, option *int64) queryKey {
	want := fmt.Sprintf("a size from %dB, such as 5MiB, in B, KiB, MiB, GiB, kB, MB or GB", minBytes)
	return queryKey{name, want, func(value string) bool {
		size, ok := parseSize(value)
		if ok = ok && size >= minBytes; ok {
			*option = size
		}
		return ok
	}}
}

// inlineKey sets StorageOptions.InlineBytes. There 0 means the default and -1 means that
// nothing is inlined, so 0B becomes -1.
func inlineKey(option *int64) queryKey {
	k := sizeKey("inline", 0, option)
	set := k.set
	k.set = func(value string) bool {
		ok := set(value)
		if ok && *option == 0 {
			*option = -1
		}
		return ok
	}
	return k
}

// units are the units of sizes. A unit stands after all longer units that end with it: "B"
// is last.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// parseSize reads a whole number with a unit. It returns false for other texts, and for
// sizes above math.MaxInt64.
func parseSize(text string) (size int64, ok bool) {
	for _, unit := range units {
		digits, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.bytes {
			return 0, false
		}
		return int64(n) * unit.bytes, true
	}
	return 0, false
}
