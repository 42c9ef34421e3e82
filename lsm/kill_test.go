package lsm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// The environment variables that pass the directory and the log mode to the child process.
const (
	killedDir  = "LSM_TEST_KILLED_DIR"
	killedMode = "LSM_TEST_KILLED_MODE"
)

// killedAfter is the number of acknowledged writes after which the test kills the child. The writes do
// not fill the log's buffer.
const killedAfter = 100

// The test kills a process that writes. Each log mode keeps the writes that it promises.
func TestKilledProcessLosesNoMoreThanItsLogModeAllows(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	for _, mode := range allLogModes {
		dir := t.TempDir()
		acked := killWriter(t, dir, mode)
		require.GreaterOrEqual(t, acked, killedAfter)
		db, err := Open(context.Background(), dir, Options{Log: mode})
		require.NoError(t, err)
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		kept := 0
		for ; it.Next(); kept++ {
			require.Equal(t, killedKey(kept), string(it.Key()), "mode %d: the store must have the first writes", mode)
		}
		require.NoError(t, it.Close())
		if mode >= LogWritten {
			require.GreaterOrEqual(t, kept, acked, "mode %d", mode)
		} else {
			require.Less(t, kept, acked, "mode %d: unflushed writes must be lost", mode)
		}
		require.NoError(t, db.Close())
	}
}

func killedKey(i int) string { return fmt.Sprintf("%06d", i) }

// killWriter starts a child process and kills it while it writes. It returns the number of writes that
// the child has acknowledged.
func killWriter(t *testing.T, dir string, mode LogMode) (acked int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilledProcessLosesNoMoreThanItsLogModeAllows$")
	child.Env = append(os.Environ(), killedDir+"="+dir, fmt.Sprint(killedMode, "=", int(mode)))
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "acked ") {
			continue
		}
		if acked++; acked == killedAfter {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait(), "the child must have been killed")
	return acked
}

func writeUntilKilled(t *testing.T, dir string) {
	var mode LogMode
	_, err := fmt.Sscan(os.Getenv(killedMode), &mode)
	require.NoError(t, err)
	db, err := Open(context.Background(), dir, Options{Log: mode})
	require.NoError(t, err)
	for i := range 2 * killedAfter {
		require.NoError(t, db.Put([]byte(killedKey(i)), []byte("value")))
		fmt.Println("acked", i)
	}
	select {} // until the process is killed
}

// With LogWritten, each kind of write is in a file when the call returns, but is not synced.
func TestLogWrittenSurvivesTheEndOfTheProcess(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{})
	s := newStory(t, disk, LogWritten, 1<<20)
	require.NoError(t, open(s))
	syncs := disk.Count(vfstest.OpSync)
	for _, step := range []storyStep{
		put("a:1", "one"), put("a:2", "two"), add("a:1", "+"), del("a:2"), put("a:3", strings.Repeat("three", 20_000)),
		batchOf("b:", "batch"), delPrefix("b:"), put("c:1", "see"), batchOf("d:", "batch"),
	} {
		require.NoError(t, step(s))
		require.NoError(t, holds(withFS(s.o, mem.CrashClone(vfstest.CrashOptions{Keep: 1})), storyDir, s.states[s.acked]))
	}
	require.Equal(t, syncs, disk.Count(vfstest.OpSync))
	require.NoError(t, holds(withFS(s.o, mem.CrashClone(vfstest.CrashOptions{})), storyDir, storyState{}), "a power cut loses the unsynced writes")
	require.NoError(t, s.db.Close())
}
