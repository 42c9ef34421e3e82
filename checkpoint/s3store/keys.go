package s3store

import (
	"fmt"
	"path"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

// keys maps names of objects to keys of the bucket, and back.
//
//	prefix/job/completed/0000000000000000042   entries, records of attempts, metadata: prefix and name
//	prefix/job/chk-42/_metadata
//	prefix/job/chk-42/3-op-0                   data objects without entropy
//	prefix/.e7/job/chk-42/3-op-0               data objects with entropy 1: the hash of the name is 7
//	prefix/.weir-store                         settings of the prefix
//
// No name begins with a dot, so a folder of hashes cannot be the folder of a job.
type keys struct {
	prefix  string // empty, or ends with a slash
	entropy int
}

// hidden begins the folder of a hash.
const hidden = ".e"

// of returns the key of an object.
func (k keys) of(name string) string {
	if k.entropy == 0 || !isData(name) {
		return k.prefix + name
	}
	hash := fmt.Sprintf("%016x", xxhash.Sum64String(name))
	return k.prefix + hidden + hash[:k.entropy] + "/" + name
}

// name returns the name of the object with a key. It returns false for every key that of does not
// return, for example that of a folder marker.
func (k keys) name(key string) (name string, ok bool) {
	name, ok = strings.CutPrefix(key, k.prefix)
	if !ok {
		return "", false
	}
	if k.entropy > 0 && strings.HasPrefix(name, hidden) {
		_, name, _ = strings.Cut(name, "/")
	}
	return name, checkName(name) == nil && k.of(name) == key
}

// prefixes returns the prefixes of the keys of all objects whose names begin with prefix.
func (k keys) prefixes(prefix string) []string {
	all := []string{k.prefix + prefix}
	if k.entropy == 0 || prefix == "" || !mayBeData(prefix) { // the empty prefix includes the hashes
		return all
	}
	for hash := range 1 << (4 * k.entropy) {
		all = append(all, fmt.Sprintf("%s%s%0*x/%s", k.prefix, hidden, k.entropy, hash, prefix))
	}
	return all
}

// isData reports whether a name belongs to a file of a checkpoint: job/chk-42/file or
// job/shared/file.
func isData(name string) bool {
	folder, file := path.Split(name)
	_, folder, _ = strings.Cut(folder, "/")
	return strings.HasPrefix(folder, "chk-") && file != "_metadata" || folder == "shared/"
}

// mayBeData reports whether a name for which isData holds may begin with prefix.
func mayBeData(prefix string) bool {
	_, folder, found := strings.Cut(prefix, "/")
	return !found || strings.HasPrefix(folder, "chk-") || strings.HasPrefix("chk-", folder) ||
		strings.HasPrefix(folder, "shared/") || strings.HasPrefix("shared/", folder)
}

// checkName returns snapshot.ErrName for a name that is not valid for an object.
func checkName(name string) error {
	if err := checkpoint.CheckObjectName(name); err != nil {
		return err
	}
	if len(name) > maxNameBytes {
		return fmt.Errorf("object: %d bytes, want at most %d: %w", len(name), maxNameBytes, snapshot.ErrName)
	}
	return nil
}

// maxNameBytes is the length of a key less that of the longest prefix and hash.
const maxNameBytes = 1024 - maxPrefixBytes - 16

// checkPrefix returns snapshot.ErrName for a prefix that no valid name has.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkName(strings.TrimSuffix(prefix, "/"))
}

// uploadName returns the name under which an unfinished object is listed.
func uploadName(name, uploadID string) string { return name + uploadMark + uploadID }

// cutUpload splits a name that uploadName has returned.
func cutUpload(listed string) (name, uploadID string, ok bool) {
	return strings.Cut(listed, uploadMark)
}

// uploadMark separates a name from the ID of a multipart upload. No name contains it.
const uploadMark = "#upload="
