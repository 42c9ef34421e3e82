package vfs

import (
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreeBytesOfTheSystem(t *testing.T) {
	free, err := Real{}.FreeBytes(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return // the documented answer where the system cannot say
	}
	require.NoError(t, err)
	require.Positive(t, free)
	_, err = Real{}.FreeBytes(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}

func TestSaturateNeverOverflows(t *testing.T) {
	require.EqualValues(t, 12, saturate(3, 4))
	require.EqualValues(t, int64(math.MaxInt64), saturate(1<<62, 4096))
	require.Zero(t, saturate(math.MaxUint64-7, 4096), "below zero")
}
