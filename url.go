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
)

// Open opens the preset that a URL names: Memory, or Fs or LSM with the scheme of a
// storage behind "fs+" or "lsm+". All query keys are options and may be left out:
//
//	memory:?index=btree&sync=true&max-state=5MiB&frame=10MiB&total=256MiB
//	fs+file:///var/checkpoints?index=hash&sync=false&inline=20KiB
//	lsm+file:///var/checkpoints?dir=/var/weir&budget=64MiB&incremental=true&local-recovery=false&sync=false&inline=20KiB
//
// The index is hash or btree. Max-state, frame and total are those of
// checkpoint.MemoryOptions, inline that of checkpoint.StorageOptions, 0B being
// none; dir, budget, incremental and
// local-recovery are those of LSMOptions. In values a plus sign stands for itself, and a
// space is %20. A size is a whole
// number and a unit: B, KiB, MiB, GiB (by 1024), kB, MB or GB (by 1000). Anything
// else is checkpoint.ErrURL, and a size that the storage refuses
// checkpoint.ErrInvalidOption. Errors quote no more than the scheme: a URL may have a
// password where it should not.
func Open(ctx context.Context, rawURL string) (*Preset, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("preset: the text is not a URL: %w", checkpoint.ErrURL)
	}
	if u.ForceQuery {
		return nil, fmt.Errorf("preset: the query is empty; leave out the question mark: %w", checkpoint.ErrURL)
	}
	if strings.HasSuffix(rawURL, "#") {
		return nil, fmt.Errorf("preset: the fragment is empty; leave out the number sign: %w", checkpoint.ErrURL)
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
		return nil, fmt.Errorf("memory preset: the URL has more than a query: %w", checkpoint.ErrURL)
	}
	var o MemoryOptions
	if err := apply(u.RawQuery, indexSetting(&o.Index), syncSetting(&o.Synchronous),
		sizeSetting("max-state", 1, &o.Checkpoints.MaxStateBytes),
		sizeSetting("frame", 1, &o.Checkpoints.FrameBytes),
		sizeSetting("total", 1, &o.Checkpoints.TotalBytes),
	); err != nil {
		return nil, fmt.Errorf("memory preset: %w", err)
	}
	return Memory(o)
}

func openFs(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	var o FsOptions
	if err := apply(u.RawQuery, indexSetting(&o.Index), syncSetting(&o.Synchronous),
		inlineSetting(&o.Checkpoints.InlineBytes),
	); err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	return Fs(ctx, storageURL(u, scheme), o)
}

func openLSM(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	o, incremental := LSMOptions{}, true
	if err := apply(u.RawQuery, dirSetting(&o.Dir), syncSetting(&o.Synchronous), boolSetting("incremental", &incremental),
		boolSetting("local-recovery", &o.LocalRecovery),
		sizeSetting("budget", 1, &o.BudgetBytes), inlineSetting(&o.Checkpoints.InlineBytes),
	); err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	o.Full = !incremental
	return LSM(ctx, storageURL(u, scheme), o)
}

// storageURL is the URL of the storage of a preset.
func storageURL(u *url.URL, scheme string) string {
	storage := *u
	storage.Scheme, storage.RawQuery = scheme, ""
	return storage.String()
}

// setting is a query key, what its value may be, and what takes it.
type setting struct {
	key, allowed string
	set          func(value string) bool
}

// apply gives the values of a query to settings.
func apply(query string, settings ...setting) error {
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")) // forms would make it a space
	empty := query != "" && slices.Contains(strings.Split(query, "&"), "")
	if err != nil || empty { // its text quotes the query
		return fmt.Errorf("the query is malformed: %w", checkpoint.ErrURL)
	}
	var known []string
	for _, s := range settings {
		known = append(known, s.key)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		i := slices.Index(known, key)
		switch {
		case i < 0:
			return fmt.Errorf("a query key is none of %s: %w", strings.Join(known, ", "), checkpoint.ErrURL)
		case len(values[key]) > 1:
			return fmt.Errorf("%s is given more than once: %w", key, checkpoint.ErrURL)
		case !settings[i].set(values.Get(key)):
			return fmt.Errorf("%s is not %s: %w", key, settings[i].allowed, checkpoint.ErrURL)
		}
	}
	return nil
}

// oneOf sets to by the name of its value.
func oneOf[T any](key, allowed string, names map[string]T, to *T) setting {
	return setting{key, allowed, func(value string) bool {
		v, ok := names[value]
		if ok {
			*to = v
		}
		return ok
	}}
}

func indexSetting(to *Index) setting {
	return oneOf("index", "hash or btree", map[string]Index{"hash": Hash, "btree": BTree}, to)
}

func syncSetting(to *bool) setting { return boolSetting("sync", to) }

func boolSetting(key string, to *bool) setting {
	return oneOf(key, "true or false", map[string]bool{"true": true, "false": false}, to)
}

// dirSetting is a directory.
func dirSetting(to *string) setting {
	return setting{"dir", "the name of a directory: it is empty", func(value string) bool { *to = value; return value != "" }}
}

// sizeSetting is a size in bytes, from least.
func sizeSetting(key string, least int64, to *int64) setting {
	allowed := fmt.Sprintf("a size from %dB, such as 5MiB, in B, KiB, MiB, GiB, kB, MB or GB", least)
	return setting{key, allowed, func(value string) bool {
		size, ok := parseSize(value)
		if ok = ok && size >= least; ok {
			*to = size
		}
		return ok
	}}
}

// inlineSetting is StorageOptions.InlineBytes, where 0 is the default.
func inlineSetting(to *int64) setting {
	s := sizeSetting("inline", 0, to)
	set := s.set
	s.set = func(value string) bool {
		ok := set(value)
		if ok && *to == 0 {
			*to = -1
		}
		return ok
	}
	return s
}

// units are in bytes. One that ends another comes after it.
var units = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// parseSize reads a whole number with a unit.
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
