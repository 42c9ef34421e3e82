//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package job

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
)

// The folder of a running job is removed or renamed. The job fails, and neither the job nor a
// restart creates the folder again.
func TestJobWithoutItsFolderFailsAndDoesNotRestart(t *testing.T) {
	for how, lose := range map[string]func(folder string) error{
		"moved":   func(folder string) error { return os.Rename(folder, folder+".bak") },
		"removed": os.RemoveAll,
	} {
		for _, then := range []string{"checkpoint", "failure"} {
			t.Run(how+" "+then, func(t *testing.T) {
				root := t.TempDir()
				o, source, out := memory("gone"), numbers(5_000, 1), &paper[count]{}
				files, err := checkpoint.NewFiles(root)
				require.NoError(t, err)
				o.Checkpoints.Storage, err = checkpoint.NewStorage(files, checkpoint.StorageOptions{InlineBytes: -1})
				require.NoError(t, err)
				o.Checkpoints.Interval, o.Checkpoints.TolerableFailures, o.MaxRestarts = 0, 9, 3
				source.before = func(_ int, at int64) (bool, error) { return at > 1_000, nil } // the source never ends
				complete, begun := make(chan error, 9), make(chan struct{}, 9)
				o.OnCheckpoint = func(r CheckpointReport) { complete <- r.Err }
				o.OnRestore = func(RestoreReport) { begun <- struct{}{} }
				running, err := countJob(o, source, out, nil).Start(t.Context())
				require.NoError(t, err)
				<-begun
				_, err = running.Checkpoint()
				require.NoError(t, err)
				require.NoError(t, <-complete)

				folder := filepath.Join(root, "gone")
				require.NoError(t, lose(folder))
				if then == "checkpoint" {
					// It may return an error: the end of the previous checkpoint may
					// have found the lost lock.
					_, _ = running.Checkpoint()
				} else {
					running.Fail(errBroken)
				}
				report, err := running.Wait()
				require.ErrorIs(t, err, checkpoint.ErrLockLost)
				require.ErrorIs(t, err, checkpoint.ErrLocked)
				require.Len(t, report.Restores, 1)
				require.NoDirExists(t, folder)
				require.False(t, out.finished)
				goleak.VerifyNone(t)
			})
		}
	}
}
