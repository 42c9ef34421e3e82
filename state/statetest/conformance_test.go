package statetest_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
)

// bytesOf returns an Opener of Bytes whose list rows have up to chunkBytes.
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

func TestBytesExchangeSnapshotsWithOtherChunkSizes(t *testing.T) {
	statetest.Exchange(t, bytesOf(1), bytesOf(64))
	statetest.Exchange(t, bytesOf(64), bytesOf(1))
}

// rowHelpers is a Bytes that uses the helpers of state/backend for ordered rows: TimerRows,
// ScanState, RowView and LoadRow.
type rowHelpers struct{ *statetest.Bytes }

func (b rowHelpers) AddTimers(service backend.Info, d backend.Domain) (backend.TimerQueue, error) {
	return backend.NewTimerRows(b, service, d), nil
}

// scan returns a ScanFunc over the rows of a view.
func scan(v snapshot.View) backend.ScanFunc {
	return func(prefix []byte, yield func(key, value []byte) error) error {
		return v.Rows(uint16(prefix[0])<<8|uint16(prefix[1]), func(key, value []byte) error {
			if !bytes.HasPrefix(key, prefix) {
				return nil
			}
			return yield(key, value)
		})
	}
}

func (b rowHelpers) Scan(id state.ID, yield func(key, value []byte) error) error {
	v, err := b.Bytes.View()
	if err != nil {
		return err
	}
	return b.Registry().ScanState(id, scan(v), yield)
}

func (b rowHelpers) View() (snapshot.View, error) {
	v, err := b.Bytes.View()
	if err != nil {
		return nil, err
	}
	return backend.NewRowView(b.Registry(), scan(v), v.Close), nil
}

func (b rowHelpers) Load(key, value []byte) error {
	return b.Registry().LoadRow(key, value, b.Set)
}

func TestBackendOfRowHelpersConforms(t *testing.T) {
	statetest.Run(t, func(_ testing.TB, o state.Options) (snapshot.Backend, error) {
		b, err := statetest.NewBytes(o, 64)
		return rowHelpers{b}, err
	})
}
