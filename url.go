package weir

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/query"
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
// added, and then may have query keys of its own. Query keys set options; all are optional:
//
//	key             presets      value             default      option
//	index           memory fs    hash, btree       hash         Index
//	sync            all          true, false       false        Synchronous
//	inline          fs lsm       size from 0B      20KiB        checkpoint.StorageOptions.InlineBytes; 0B inlines nothing
//	pack            fs lsm       size from 0B      of storage   checkpoint.StorageOptions.PackBytes; 0B packs nothing
//	completed       fs lsm       URL               see below    checkpoint.StorageOptions.Completed
//	max-state       memory       size              5MiB         checkpoint.MemoryOptions.MaxStateBytes
//	frame           memory       size              10MiB        checkpoint.MemoryOptions.FrameBytes
//	total           memory       size              256MiB       checkpoint.MemoryOptions.TotalBytes
//	dir             lsm          directory         temporary    LSMOptions.Dir
//	budget          lsm          size              64MiB        LSMOptions.BudgetBytes
//	tier            lsm          true, false       false        LSMOptions.Tier
//	compression     lsm          none, s2, zstd    s2           LSMOptions.Compression; one per level: s2,zstd
//	max-open-files  lsm          number from 1     400          LSMOptions.MaxOpenFiles
//	incremental     lsm          true, false       true         LSMOptions.Full is the opposite
//	snapshots       lsm          native, portable  native       LSMOptions.Portable
//	local-recovery  lsm          true, false       false        LSMOptions.LocalRecovery
//
// By default the list of complete checkpoints is kept next to the state. The key completed names
// another store, with a scheme that checkpoint.RegisterCompleted added. If its URL has a query,
// write each & in it as %26:
//
//	lsm+file:///mnt/shared?completed=zk://zk1,zk2,zk3/weir?wait=true%26session=6s
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
	if err := query.Apply(u.RawQuery, indexKey(&o.Index), query.Bool("sync", &o.Synchronous),
		query.Size("max-state", 1, &o.Checkpoints.MaxStateBytes),
		query.Size("frame", 1, &o.Checkpoints.FrameBytes),
		query.Size("total", 1, &o.Checkpoints.TotalBytes),
	); err != nil {
		return nil, fmt.Errorf("memory preset: %w: %w", err, checkpoint.ErrURL)
	}
	return Memory(o)
}

func openFs(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	var (
		o         FsOptions
		completed string
	)
	keys := []query.Key{indexKey(&o.Index), query.Bool("sync", &o.Synchronous),
		inlineKey(&o.Checkpoints.InlineBytes), packKey(&o.Checkpoints.PackBytes), completedKey(&completed)}
	storage, err := storageURL(u, scheme, keys)
	if err != nil {
		return nil, presetError("fs", fmt.Errorf("fs preset: %w", err), completed, keys)
	}
	if o.Checkpoints.Completed, err = openCompleted(completed); err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	p, err := Fs(ctx, storage, o)
	if err != nil {
		return nil, presetError("fs", err, completed, keys)
	}
	return p, nil
}

func openLSM(ctx context.Context, u *url.URL, scheme string) (*Preset, error) {
	o, incremental, completed := LSMOptions{}, true, ""
	keys := []query.Key{query.Text("dir", "the path of a directory", &o.Dir), query.Size("budget", 1, &o.BudgetBytes),
		query.Bool("tier", &o.Tier), compressionKey(&o.Compression), query.Count("max-open-files", &o.MaxOpenFiles),
		query.Bool("incremental", &incremental), snapshotsKey(&o.Portable), query.Bool("local-recovery", &o.LocalRecovery),
		query.Bool("sync", &o.Synchronous), inlineKey(&o.Checkpoints.InlineBytes), packKey(&o.Checkpoints.PackBytes), completedKey(&completed)}
	storage, err := storageURL(u, scheme, keys)
	if err != nil {
		return nil, presetError("lsm", fmt.Errorf("lsm preset: %w", err), completed, keys)
	}
	if o.Checkpoints.Completed, err = openCompleted(completed); err != nil {
		return nil, fmt.Errorf("lsm preset: %w", err)
	}
	o.Full = !incremental
	p, err := LSM(ctx, storage, o)
	if err != nil {
		return nil, presetError("lsm", err, completed, keys)
	}
	return p, nil
}

// storageURL sets the options of a preset from the query of u. It returns the URL of the checkpoint
// storage: u with another scheme, and with those query keys that the preset does not have. A file
// URL has none.
func storageURL(u *url.URL, scheme string, keys []query.Key) (string, error) {
	storage := *u
	storage.Scheme, storage.RawQuery = scheme, ""
	var err error
	if scheme == "file" {
		err = query.Apply(u.RawQuery, keys...)
	} else {
		storage.RawQuery, err = query.ApplySome(u.RawQuery, keys...)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, checkpoint.ErrURL)
	}
	return storage.String(), nil
}

// presetError returns an error of a preset. If err says that the query has an unknown key, the
// result lists the keys of the preset too. completed is the URL of the completed store, or empty.
func presetError(preset string, err error, completed string, keys []query.Key) error {
	unknown, ok := query.AddKeys(err, keys...)
	switch {
	case !ok:
		return err
	case strings.Contains(completed, "?"):
		return fmt.Errorf("%s preset: %w; in the URL of completed write each & as %%26: %w", preset, unknown, checkpoint.ErrURL)
	}
	return fmt.Errorf("%s preset: %w: %w", preset, unknown, checkpoint.ErrURL)
}

func indexKey(option *Index) query.Key {
	return query.Enum("index", "hash or btree", map[string]Index{"hash": Hash, "btree": BTree}, option)
}

// snapshotsKey sets LSMOptions.Portable.
func snapshotsKey(option *bool) query.Key {
	return query.Enum("snapshots", "native or portable", map[string]bool{"native": false, "portable": true}, option)
}

// compressionKey sets the compression of level 0, level 1 and so on from names that commas
// separate.
func compressionKey(option *[]lsm.Compression) query.Key {
	names := map[string]lsm.Compression{"none": lsm.NoCompression, "s2": lsm.S2, "zstd": lsm.Zstd}
	return query.Key{Name: "compression", Want: "none, s2 or zstd, or one of them per level with commas between",
		Set: func(value string) bool {
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

// inlineKey sets StorageOptions.InlineBytes; 0B inlines nothing.
func inlineKey(option *int64) query.Key { return sizeOrNever("inline", option) }

// packKey sets StorageOptions.PackBytes; 0B packs nothing.
func packKey(option *int64) query.Key { return sizeOrNever("pack", option) }

// sizeOrNever sets a size for which 0 means the default and -1 never, so 0B becomes -1.
func sizeOrNever(name string, option *int64) query.Key {
	k := query.Size(name, 0, option)
	set := k.Set
	k.Set = func(value string) bool {
		ok := set(value)
		if ok && *option == 0 {
			*option = -1
		}
		return ok
	}
	return k
}

// completedKey sets the URL of the completed store.
func completedKey(option *string) query.Key {
	return query.Text("completed", "the URL of a completed store", option)
}

// openCompleted returns the opener of the completed store at a URL, or nil if there is none.
func openCompleted(rawURL string) (checkpoint.CompletedOpener, error) {
	if rawURL == "" {
		return nil, nil
	}
	return checkpoint.OpenCompleted(rawURL)
}
