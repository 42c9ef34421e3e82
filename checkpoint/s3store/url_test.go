package s3store

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

func TestURLHasEveryOption(t *testing.T) {
	u, err := url.Parse("s3://bucket/a/b/?region=eu-central-1&endpoint=http://127.0.0.1:9000&path-style=true&checksum=crc32c" +
		"&single-writer=true&entropy=2&part=16MiB&parts-in-flight=8&retries=9&stall-timeout=90s&open-timeout=45s")
	require.NoError(t, err)
	bucket, prefix, o, err := parseURL(u)
	require.NoError(t, err)
	require.Equal(t, "bucket", bucket)
	require.Equal(t, "a/b", prefix)
	require.Equal(t, Options{
		Region: "eu-central-1", Endpoint: "http://127.0.0.1:9000", PathStyle: true, Checksum: ChecksumCRC32C, SingleWriter: true,
		Entropy: 2, PartBytes: 16 << 20, PartsInFlight: 8, Retries: 9, StallTimeout: 90 * time.Second,
		OpenTimeout: 45 * time.Second,
	}, o)
}

func TestUnusableURLsAreRefusedWithoutQuotingThem(t *testing.T) {
	for rawURL, want := range map[string]error{
		"s3://":                                       checkpoint.ErrURL,
		"s3:bucket":                                   checkpoint.ErrURL,
		"s3:///canary":                                checkpoint.ErrURL,
		"s3://ab/x":                                   checkpoint.ErrURL,
		"s3://bucket:80/canary":                       checkpoint.ErrURL,
		"s3://bucket/canary//b":                       checkpoint.ErrURL,
		"s3://bucket/canary/../b":                     checkpoint.ErrURL,
		"s3://bucket/canary%00":                       checkpoint.ErrURL,
		"s3://bucket/canary%ff":                       checkpoint.ErrURL,
		"s3://bucket/x#canary":                        checkpoint.ErrURL,
		"s3://canary@bucket/x":                        checkpoint.ErrURL,
		"s3://u:canary@bucket/x":                      checkpoint.ErrURL,
		"s3://bucket/x?secret-key=canary":             checkpoint.ErrURL,
		"s3://bucket/x?session-token=canary":          checkpoint.ErrURL,
		"s3://bucket/x?canary=1":                      checkpoint.ErrURL,
		"s3://bucket/x?checksum=canary":               checkpoint.ErrURL,
		"s3://bucket/x?part=4MiB":                     checkpoint.ErrURL,
		"s3://bucket/x?part=2GiB":                     checkpoint.ErrInvalidOption,
		"s3://bucket/x?entropy=3":                     checkpoint.ErrInvalidOption,
		"s3://bucket/x?parts-in-flight=65":            checkpoint.ErrInvalidOption,
		"s3://bucket/x?retries=101":                   checkpoint.ErrInvalidOption,
		"s3://bucket/x?stall-timeout=canary":          checkpoint.ErrURL,
		"s3://bucket/x?stall-timeout=-1s":             checkpoint.ErrURL,
		"s3://bucket/x?endpoint=canary":               checkpoint.ErrInvalidOption,
		"s3://bucket/x?endpoint=ftp://canary":         checkpoint.ErrInvalidOption,
		"s3://bucket/x?endpoint=http://h/?canary=1":   checkpoint.ErrInvalidOption,
		"s3://bucket/" + strings.Repeat("canary", 60): checkpoint.ErrURL,
	} {
		_, err := checkpoint.OpenObjects(t.Context(), rawURL)
		require.ErrorIs(t, err, want, rawURL)
		require.NotContains(t, err.Error(), "canary", rawURL)
	}
	// OpenObjects may refuse these before the store sees them.
	for _, endpoint := range []string{"http://u:canary@h", "http://canary@h"} {
		_, err := Open(t.Context(), "bucket", "x", Options{Endpoint: endpoint})
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
		require.NotContains(t, err.Error(), "canary")
	}
}

func FuzzURL(f *testing.F) {
	f.Add("s3://bucket/prefix?region=eu-central-1&part=8MiB&stall-timeout=1m")
	f.Add("s3://bucket//a/../b?checksum=crc32c&endpoint=http://127.0.0.1:9000")
	f.Fuzz(func(t *testing.T, rawURL string) {
		u, err := url.Parse(rawURL)
		if err != nil {
			return
		}
		bucket, prefix, o, err := parseURL(u)
		if err != nil || checkPlace(bucket, prefix) != nil {
			return
		}
		require.False(t, strings.HasPrefix(prefix, "/") || strings.HasSuffix(prefix, "/") || strings.Contains(prefix, "//"))
		require.NotContains(t, "/"+prefix+"/", "/../")
		if o, err = o.complete(); err == nil {
			require.True(t, o.PartBytes >= minPartBytes && o.PartBytes <= maxPartBytes)
			require.Empty(t, checkEndpoint(o.Endpoint))
		}
	})
}
