package vfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// lockEnv makes the test binary a process that takes the lock named by the variable, prints the
// result, and keeps the lock until its standard input ends.
const lockEnv = "WEIR_VFS_TEST_LOCK"

func TestMain(m *testing.M) {
	name := os.Getenv(lockEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	lock, err := Real{}.Lock(name)
	fmt.Println(err)
	io.Copy(io.Discard, os.Stdin)
	if err == nil {
		err = lock.Close()
	}
	if err != nil {
		os.Exit(1)
	}
}

// lockProcess starts a process that tries to take the lock. The process ends when stdin is closed.
func lockProcess(t *testing.T, name string) (cmd *exec.Cmd, stdin io.Closer, said string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), lockEnv+"="+name)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	said, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd, in, said
}

// Two processes opened one directory: cockroach#103966.
func TestRealLockExcludesProcesses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	mine, err := Real{}.Lock(name)
	require.NoError(t, err)
	child, stdin, said := lockProcess(t, name)
	require.Contains(t, said, ErrLocked.Error())
	require.NoError(t, stdin.Close())
	require.Error(t, child.Wait())
	require.NoError(t, mine.Close())

	child, stdin, said = lockProcess(t, name)
	require.Equal(t, "<nil>\n", said)
	_, err = Real{}.Lock(name)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, stdin.Close())
	require.NoError(t, child.Wait())
	mine, err = Real{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, mine.Close())
}

func TestRealLockEndsWithItsProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	child, _, said := lockProcess(t, name)
	require.Equal(t, "<nil>\n", said)
	require.NoError(t, child.Process.Kill())
	child.Wait()
	mine, err := Real{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, mine.Close())
}

// Another program removes the lock file while the lock is held.
func TestRealLockExcludesProcessesWhenItsFileIsGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a locked file cannot be removed
	}
	name := filepath.Join(t.TempDir(), "LOCK")
	mine, err := Real{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, os.Remove(name))
	child, stdin, said := lockProcess(t, name)
	require.Contains(t, said, ErrLocked.Error())
	require.NoError(t, stdin.Close())
	require.Error(t, child.Wait())
	require.ErrorIs(t, mine.Check(), ErrLockLost)
	require.NoError(t, mine.Close())
}
