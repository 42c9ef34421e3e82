package hdfsstore

import (
	"context"
	"errors"
	"testing"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

// The context has ended, so that a URL that is accepted connects to nothing.
func TestURLsHaveNoSecrets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	storagetest.RunURL(t, "hdfs://namenode:40010/flink/checkpoints", func(rawURL string) error {
		_, err := checkpoint.OpenObjects(ctx, rawURL)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}
