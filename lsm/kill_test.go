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

// Environment of a child process that is killed: its directory and its log mode.
const (
	killedDir  = "LSM_TEST_KILLED_DIR"
	killedMode = "LSM_TEST_KILLED_MODE"
)

// killedAfter is how many writes the child has acknowledged when it is killed. They do
// not fill the buffer of a log.
const killedAfter = 100

// A process is killed between two writes, or in one. The log modes keep what they promise.
func TestKilledProcessLosesNoMoreThanItsLogModeAllows(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	for _, mode := range allLogModes {
		dir := t.TempDir()
		acked := killAWriter(t, dir, mode)
		require.GreaterOrEqual(t, acked, killedAfter)
		db, err := Open(context.Background(), dir, Options{Log: mode})
		require.NoError(t, err)
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		kept := 0
		for ; it.Next(); kept++ {
			require.Equal(t, killedKey(kept), string(it.Key()), "mode %d: the first ones", mode)
		}
		require.NoError(t, it.Close())
		if mode >= LogWritten {
			require.GreaterOrEqual(t, kept, acked, "mode %d", mode)
		} else {
			require.Less(t, kept, acked, "mode %d: the process was killed", mode)
		}
		require.NoError(t, db.Close())
	}
}

func killedKey(i int) string { return fmt.Sprintf("%06d", i) }

// killAWriter starts a child process, kills it while it writes, and returns how many of its
// writes had returned.
func killAWriter(t *testing.T, dir string, mode LogMode) (acked int) {
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
	require.Error(t, child.Wait(), "it was killed")
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
	select {} // no close
}

// A write of each kind is with the system when it returns, although nothing was synced.
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
	require.NoError(t, holds(withFS(s.o, mem.CrashClone(vfstest.CrashOptions{})), storyDir, storyState{}), "a power cut takes them")
	require.NoError(t, s.db.Close())
}
