package checkpoint

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// List implements Objects.
func (f *Files) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(prefix, f.prefix) {
		return nil, fmt.Errorf("objects %q are not in %q: %w", prefix, f.prefix, snapshot.ErrName)
	}
	dir, start := path.Split(prefix)
	objects, err := f.walk(ctx, nil, dir, start)
	slices.SortFunc(objects, func(a, b ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return objects, err
}

// walk appends the files and directories in dir whose names begin with start, and everything
// below them. dir is empty or ends with a slash.
func (f *Files) walk(ctx context.Context, objects []ObjectInfo, dir, start string) ([]ObjectInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	bases, err := f.fs.List(f.path(dir))
	if isMissing(err) {
		return objects, nil
	}
	for _, base := range bases {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		of, unfinished := createdAs(base)
		if !strings.HasPrefix(of, start) || snapshot.CheckName(of) != nil {
			continue
		}
		info, err := f.fs.Lstat(f.path(dir + base))
		if isMissing(err) { // removed since the listing
			continue
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, describe(info, dir, base))
		if info.IsDir() && !unfinished {
			if objects, err = f.walk(ctx, objects, dir+base+"/", ""); err != nil {
				return nil, err
			}
		}
	}
	return objects, err
}

// describe returns the ObjectInfo of a file in a directory.
func describe(info fs.FileInfo, dir, base string) ObjectInfo {
	o := ObjectInfo{Name: dir + base, Irregular: vfs.CheckRegular(info)}
	if of, unfinished := createdAs(base); unfinished {
		o.Unfinished, o.Of = true, dir+of
	}
	if o.Irregular == nil {
		o.Size = info.Size()
	}
	return o
}

// createdAs returns the base name for which Create was called, and whether the file is
// unfinished.
func createdAs(base string) (of string, unfinished bool) {
	if of, unfinished = durable.DraftOf(base); unfinished {
		return of, true
	}
	return base, false
}
