//go:build linux || darwin

package lsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// limitedDir is the environment variable that passes the directory of the stores to the child
// process.
const limitedDir = "LSM_TEST_LIMITED_DIR"

// Under a limit for the size of files (ulimit -f), writes of a real file system fail with EFBIG. A
// store whose log reaches the limit continues in a new log and loses no write.
func TestStoreContinuesInANewLogAtTheFileSizeLimit(t *testing.T) {
	if dir := os.Getenv(limitedDir); dir != "" {
		workUnderALimit(t, dir)
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestStoreContinuesInANewLogAtTheFileSizeLimit$", "-test.v")
	child.Env = append(os.Environ(), limitedDir+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "logs failed", "the child did not reach its end")
	for _, mode := range allLogModes { // stores that the child closed
		db, err := Open(context.Background(), fmt.Sprint(dir, "/", mode), Options{Log: mode})
		require.NoError(t, err)
		requireContent(t, db, limitedContent())
		require.NoError(t, db.Close())
	}
}

// limitedContent returns content of several times the size limit of a file.
func limitedContent() map[string]string {
	want := map[string]string{}
	for i := range 300 {
		want[fmt.Sprintf("%03d", i)] = strings.Repeat(fmt.Sprint(i%10), 2000)
	}
	return want
}

func workUnderALimit(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ) // otherwise the signal ends the process
	limit := syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	failed := 0
	for _, mode := range allLogModes {
		o := &Options{Log: mode, MemtableBytes: 1 << 20, FileBytes: 32 << 10, Compression: []Compression{S2}}
		o.Events.LogFailed = func(err error) {
			require.ErrorIs(t, err, syscall.EFBIG)
			failed++
		}
		db, err := Open(context.Background(), fmt.Sprint(dir, "/", mode), *o)
		require.NoError(t, err)
		for key, value := range limitedContent() {
			untilNil(t, func() error {
				err := db.Put([]byte(key), []byte(value))
				require.True(t, err == nil || errors.Is(err, ErrStalled), "%v", err)
				return err
			})
		}
		requireContent(t, db, limitedContent())
		require.NoError(t, db.Close())
	}
	require.GreaterOrEqual(t, failed, 6)
	t.Logf("%d logs failed", failed)
}
