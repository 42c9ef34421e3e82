package s3store

import (
	"testing"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

func TestURLsHaveNoSecrets(t *testing.T) {
	storagetest.RunURL(t, newServer(t).address("root", ""), func(rawURL string) error {
		_, err := checkpoint.OpenObjects(t.Context(), rawURL)
		return err
	})
}
