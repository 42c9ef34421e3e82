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

// limitedDir names the directory in which a child process of the test works.
const limitedDir = "LSM_TEST_LIMITED_DIR"

// A process may not write files above a size, as ulimit -f has it: EFBIG by a real file
// system. Logs that reach the limit are followed by others, and nothing is lost.
func TestFilesMayNotExceedTheLimitOfTheProcess(t *testing.T) {
	if dir := os.Getenv(limitedDir); dir != "" {
		workUnderALimit(t, dir)
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestFilesMayNotExceedTheLimitOfTheProcess$", "-test.v")
	child.Env = append(os.Environ(), limitedDir+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "logs were lost", "it ran")
	for _, mode := range allLogModes { // as the child has left it
		db, err := Open(context.Background(), fmt.Sprint(dir, "/", mode), Options{Log: mode})
		require.NoError(t, err)
		requireContent(t, db, limitedContent())
		require.NoError(t, db.Close())
	}
}

// limitedContent is more than a file may have, several times.
func limitedContent() map[string]string {
	want := map[string]string{}
	for i := range 300 {
		want[fmt.Sprintf("%03d", i)] = strings.Repeat(fmt.Sprint(i%10), 2000)
	}
	return want
}

func workUnderALimit(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ) // else it ends the process
	limit := syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	lost := 0
	for _, mode := range allLogModes {
		o := &Options{Log: mode, MemtableBytes: 1 << 20, FileBytes: 32 << 10, Compression: []Compression{S2}}
		o.Events.LogFailed = func(err error) {
			require.ErrorIs(t, err, syscall.EFBIG)
			lost++
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
	require.GreaterOrEqual(t, lost, 6)
	t.Logf("%d logs were lost", lost)
}
