package s3store

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/query"
)

func init() {
	if err := checkpoint.Register(scheme, openURL); err != nil {
		panic(err) // another package has registered the scheme
	}
}

const scheme = "s3"

// openURL opens the store that a URL names.
func openURL(ctx context.Context, u *url.URL) (checkpoint.Objects, error) {
	bucket, prefix, o, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	s, err := Open(ctx, bucket, prefix, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// parseURL returns the bucket, prefix and options in a URL. Its errors do not quote the URL.
func parseURL(u *url.URL) (bucket, prefix string, o Options, err error) {
	switch {
	case u.Opaque != "" || u.Host == "":
		err = fmt.Errorf("the URL has no bucket: want s3://bucket/prefix: %w", checkpoint.ErrURL)
	case u.User != nil:
		err = fmt.Errorf("the URL has a user or password, which are not allowed: %w", checkpoint.ErrURL)
	case u.Fragment != "":
		err = fmt.Errorf("the URL has a fragment: want s3://bucket/prefix: %w", checkpoint.ErrURL)
	}
	if err != nil {
		return "", "", o, err
	}
	err = query.Apply(u.RawQuery,
		query.Text("region", "a region", &o.Region),
		query.Text("endpoint", "the URL of a server", &o.Endpoint),
		query.Bool("path-style", &o.PathStyle),
		query.Enum("checksum", "when-supported, when-required, crc32, crc32c, crc64nvme or sha256", map[string]Checksum{
			"when-supported": ChecksumWhenSupported, "when-required": ChecksumWhenRequired, "crc32": ChecksumCRC32,
			"crc32c": ChecksumCRC32C, "crc64nvme": ChecksumCRC64NVME, "sha256": ChecksumSHA256,
		}, &o.Checksum),
		query.Bool("single-writer", &o.SingleWriter),
		query.Count("entropy", &o.Entropy),
		query.Size("part", minPartBytes, &o.PartBytes),
		query.Count("parts-in-flight", &o.PartsInFlight),
		query.Count("retries", &o.Retries),
		query.Duration("stall-timeout", &o.StallTimeout),
		query.Duration("open-timeout", &o.OpenTimeout),
	)
	if err != nil {
		return "", "", o, fmt.Errorf("s3: %w: %w", err, checkpoint.ErrURL)
	}
	return u.Host, strings.Trim(u.Path, "/"), o, nil
}

// checkPlace returns an error for a bucket or prefix that is not valid.
func checkPlace(bucket, prefix string) error {
	if len(bucket) < 3 || len(bucket) > 255 || strings.Trim(bucket, bucketBytes) != "" {
		return fmt.Errorf("s3: the bucket %s is not a valid name: %w", strconv.QuoteToASCII(cut(bucket, 64)), checkpoint.ErrURL)
	}
	if prefix == "" {
		return nil
	}
	if len(prefix) > maxPrefixBytes {
		return fmt.Errorf("s3: the prefix has %d bytes, want at most %d: %w", len(prefix), maxPrefixBytes, checkpoint.ErrURL)
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, isControl) {
			return fmt.Errorf("s3: the prefix has an element that is empty, a dot, two dots or not printable: %w", checkpoint.ErrURL)
		}
	}
	return nil
}

const (
	bucketBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	// maxPrefixBytes leaves room for names: a key has at most 1024 bytes.
	maxPrefixBytes = 300
)

// isControl reports whether a rune cannot stand in the XML of a listing, or is not valid UTF-8.
func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }

// cut returns at most n bytes of a text.
func cut(text string, n int) string { return text[:min(n, len(text))] }
