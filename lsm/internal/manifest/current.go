package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// Current is the content of CURRENT, which names the manifest in use. See
// docs/format-manifest.md.
type Current struct {
	Number uint64       // number of the manifest; 0 if the directory has no CURRENT
	File   wal.Identity // identity of the manifest file
	// ClosedBytes is the size of the manifest if the store was closed with all data in tables;
	// otherwise 0.
	ClosedBytes int64
}

// Versions of CURRENT. Version 1 has neither a version number nor a size.
const (
	currentWithSize = "2"
	MaxCurrentBytes = 200
)

// Content returns the bytes of the file.
func (c Current) Content() string {
	content := fmt.Sprintf("%s %x", directory.ManifestName(c.Number), c.File[:])
	if c.ClosedBytes > 0 {
		content = fmt.Sprintf("%s %s %d", currentWithSize, content, c.ClosedBytes)
	}
	return fmt.Sprintf("%s %016x\n", content, run.Hash([]byte(content)))
}

// Publish atomically replaces CURRENT, and makes the new one durable.
func (c Current) Publish(fsys vfs.FS, dir string) error {
	return durable.Publish(fsys, filepath.Join(dir, directory.CurrentName), func(to io.Writer) error {
		_, err := io.WriteString(to, c.Content())
		return err
	})
}

// ReadCurrent reads CURRENT. It returns the zero value if the directory has none.
func ReadCurrent(fsys vfs.FS, dir string) (c Current, err error) {
	content, err := ReadFile(fsys, filepath.Join(dir, directory.CurrentName), MaxCurrentBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, directory.Missing(err)
	}
	if c, err = ParseCurrent(string(content)); err != nil {
		return Current{}, fmt.Errorf("%s: %w", directory.CurrentName, err)
	}
	return c, nil
}

// ParseCurrent decodes CURRENT. Content that Content would not produce is an error.
func ParseCurrent(content string) (c Current, err error) {
	body, sum, _ := cutLast(content, " ")
	if sum != fmt.Sprintf("%016x\n", run.Hash([]byte(body))) {
		return c, fmt.Errorf("wrong checksum: %w", sstable.ErrCorrupt)
	}
	fields := strings.Split(body, " ")
	if first := fields[0]; !strings.HasPrefix(first, directory.ManifestPrefix) {
		if first != currentWithSize {
			return c, fmt.Errorf("version %q, this program supports 1 and 2: %w", first, sstable.ErrVersion)
		}
		fields = fields[1:]
	}
	if len(fields) < 2 {
		return c, fmt.Errorf("%d fields, want name and identity of a manifest: %w", len(fields), sstable.ErrCorrupt)
	}
	number, ok := directory.ParseNumber(fields[0], directory.ManifestPrefix, "")
	identity, err := vfs.ParseIdentity(fields[1])
	c.Number = number
	c.File = identity
	if len(fields) > 2 && err == nil {
		c.ClosedBytes, err = strconv.ParseInt(fields[2], 10, 64)
	}
	if !ok || err != nil || c.Content() != content {
		return c, fmt.Errorf("not in canonical form: %w", sstable.ErrCorrupt)
	}
	return c, nil
}

// cutLast is strings.Cut at the last separator instead of the first.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// ReadFile reads a file of at most maxBytes.
func ReadFile(fsys vfs.FS, name string, maxBytes int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && int64(len(content)) > maxBytes {
		err = fmt.Errorf("%s is larger than %d bytes: %w", filepath.Base(name), maxBytes, sstable.ErrCorrupt)
	}
	return content, err
}
