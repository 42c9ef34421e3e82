package job

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The job restores the next older checkpoint, and the damaged one is kept.
func TestJobFallsBackFromADamagedCheckpoint(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, vfs.FS, string){
		"missing": removed,
		"directory": func(t *testing.T, disk vfs.FS, path string) {
			require.NoError(t, disk.Remove(path))
			require.NoError(t, disk.MkdirAll(path))
		},
		"damaged": func(t *testing.T, disk vfs.FS, path string) {
			require.NoError(t, disk.Remove(path))
			f, err := disk.Create(path)
			require.NoError(t, err)
			_, err = f.Write([]byte(strings.Repeat("nothing of ours", 100)))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, source, out := memory("damaged"), numbers(4_000, 2), &paper[count]{}
			o.Checkpoints.Retain = 100
			newest := runAndDamage(t, &o, source, out, damage)

			var log bytes.Buffer
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			report, err := countJob(o, source, out, nil).Run(t.Context())
			require.NoError(t, err, "MaxRestarts is 0")
			requireCounts(t, 4_000, out)
			require.Len(t, report.Restores, 1, "the attempt with the damaged checkpoint did not begin")
			from := report.Restores[0]
			require.NotZero(t, from.Checkpoint)
			require.Less(t, from.Checkpoint, newest)
			require.Len(t, from.Skipped, 1)
			require.ErrorIs(t, from.Skipped[0], from.Cause)
			require.ErrorContains(t, from.Skipped[0], fmt.Sprintf("checkpoint %d: ", newest))
			require.Contains(t, log.String(), fmt.Sprintf(`msg="checkpoint skipped" job=damaged reason="checkpoint %d: `, newest))
			require.Regexp(t, fmt.Sprintf(`msg="job continues from a checkpoint" .*checkpoint=%d offset=%d .*cause=".*file`,
				from.Checkpoint, from.Offset), log.String())
			goleak.VerifyNone(t)
		})
	}
}

// The job does not begin from the first element, which would count elements twice.
func TestJobWithOnlyDamagedCheckpointsDoesNotBegin(t *testing.T) {
	o, source, out := memory("damaged"), numbers(4_000, 2), &paper[count]{}
	runAndDamage(t, &o, source, out, removed)
	o.MaxRestarts = 3
	report, err := countJob(o, source, out, nil).Run(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrNotRestorable)
	require.ErrorContains(t, err, "after 0 restarts")
	require.Empty(t, report.Restores)
	goleak.VerifyNone(t)
}

// runAndDamage runs a job with checkpoints on a disk of its own until it was stopped, and
// damages its newest checkpoint.
func runAndDamage(t *testing.T, o *Options, source *tape, out *paper[count], damage func(*testing.T, vfs.FS, string)) checkpoint.ID {
	t.Helper()
	disk := vfstest.NewMem(vfstest.MemOptions{})
	files, err := checkpoint.FilesOn(disk, "checkpoints")
	require.NoError(t, err)
	o.Checkpoints.Storage, err = checkpoint.NewStorage(files, checkpoint.StorageOptions{InlineBytes: -1})
	require.NoError(t, err)
	runUntilStopped(t, *o, source, out)
	return damageNewest(t, disk, files, damage)
}

func removed(t *testing.T, disk vfs.FS, path string) { require.NoError(t, disk.Remove(path)) }

// damageNewest calls damage with the path of a subtask's file in the newest checkpoint.
func damageNewest(t *testing.T, disk vfs.FS, files *checkpoint.Files, damage func(*testing.T, vfs.FS, string)) (newest checkpoint.ID) {
	t.Helper()
	objects, err := files.List(t.Context(), "")
	require.NoError(t, err)
	var victim string
	for _, o := range objects {
		var id checkpoint.ID
		if _, err := fmt.Sscanf(o.Name, "damaged/chk-%d/", &id); err == nil && id >= newest && strings.Contains(o.Name, "counts") {
			newest, victim = id, o.Name
		}
	}
	require.NotEmpty(t, victim)
	damage(t, disk, filepath.Join("checkpoints", filepath.FromSlash(victim)))
	return newest
}

// A missing local directory is not damage.
func TestOnlyMissingFilesOfTheCheckpointAreDamage(t *testing.T) {
	local := &fs.PathError{Op: "mkdir", Path: "tmp", Err: fs.ErrNotExist}
	require.False(t, isDamaged(markDamaged(local)))
	unread := &checkpoint.SourceError{ID: 1, Err: io.ErrUnexpectedEOF}
	require.False(t, isDamaged(markDamaged(errors.Join(unread, local))))
	require.True(t, isDamaged(markDamaged(&checkpoint.SourceError{ID: 1, Err: local})))
}
