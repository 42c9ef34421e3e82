package statetest_test

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
)

// bytesOf opens backends over bytes whose lists are cut at chunkBytes.
func bytesOf(chunkBytes int) statetest.Opener {
	return func(_ testing.TB, o state.Options) (snapshot.Backend, error) {
		return statetest.NewBytes(o, chunkBytes)
	}
}

func TestBytesConforms(t *testing.T) {
	for _, chunkBytes := range []int{1, 64, 1 << 20} {
		t.Run(fmt.Sprintf("chunks of %d bytes", chunkBytes), func(t *testing.T) {
			statetest.Run(t, bytesOf(chunkBytes))
		})
	}
}

func TestBytesExchangeSnapshotsWhateverTheirChunks(t *testing.T) {
	statetest.Exchange(t, bytesOf(1), bytesOf(64), 1)
	statetest.Exchange(t, bytesOf(64), bytesOf(1), 2)
}
