package zkstore

import (
	"testing"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

func TestURLsHaveNoSecrets(t *testing.T) {
	storagetest.RunURL(t, "zk://host1:2181,host2:2181/weir", func(rawURL string) error {
		_, err := checkpoint.OpenCompleted(rawURL)
		return err
	})
}
