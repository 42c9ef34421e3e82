package suite

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// checkpointTurns is the number of checkpoints that are written, and copied after each one.
const checkpointTurns = 5

// BenchmarkCheckpointWrite measures checkpoints of one subtask in a directory, from trigger to
// commit, and for comparison a copy of their files with fsync. Checkpoints and copies alternate.
// The backends have keys of 8 B and values of 100 B, half of each compressible.
// op=checkpoint-native writes all files of the tree unchanged. backend=bytes writes prepared
// bytes, so it has no cost of a backend.
func BenchmarkCheckpointWrite(b *testing.B) {
	keys, size := density.Of(b, 10_000, 1_000_000, 1_000_000), 100
	for _, backend := range backends {
		for _, compression := range []snapshot.Compression{snapshot.Zstd, snapshot.None} {
			name := fmt.Sprintf("%s/compression=%s", row("checkpoint", backend.name, keys), [...]string{"zstd", "none"}[compression])
			benchCheckpointWrite(b, name, backend.open, keys, size, snapshot.Options{Compression: compression})
		}
	}
	benchCheckpointWrite(b, row("checkpoint-native", "lsm", keys), openLSM, keys, size, snapshot.Options{Mode: snapshot.Full})
	b.Run(row("checkpoint", "bytes", keys), func(b *testing.B) {
		content := halfCompressible(rand.New(rand.NewPCG(6, 6)), keys*(8+size))
		compareWithCopy(b, func(u *checkpoint.Upload) snapshot.Handle { return uploadBytes(u, content) })
	})
}

// benchCheckpointWrite fills a backend and compares its checkpoints with copies.
func benchCheckpointWrite(b *testing.B, name string, open opener, keys, size int, o snapshot.Options) {
	b.Run(name, func(b *testing.B) {
		be, k := keyed(b, open, 128)
		defer be.Close()
		v := must1(state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "bytes", Codec: codec.Bytes()}))
		rng := rand.New(rand.NewPCG(5, 5))
		for i := range keys {
			check(k.SetKey(int64(i)))
			check(v.Set(halfCompressible(rng, size)))
		}
		runtime.GC()
		compareWithCopy(b, func(u *checkpoint.Upload) snapshot.Handle {
			o.Name = u.Name()
			return must1(must1(snapshot.Start(u.Context(), be, u, o)).Wait())
		})
	})
}

// uploadBytes writes one file in pieces of 64 KiB, as a backend does.
func uploadBytes(u *checkpoint.Upload, content []byte) snapshot.Handle {
	file := must1(u.Create(u.Context(), u.Name()))
	for rest := content; len(rest) > 0; {
		n := must1(file.Write(rest[:min(len(rest), 64<<10)]))
		rest = rest[n:]
	}
	check(file.Commit())
	whole := state.WholeKeyspace(128)
	return snapshot.Handle{Keyspace: whole, Files: []snapshot.FileRef{{
		Name: u.Name(), Size: int64(len(content)), Bounds: whole.Groups,
	}}}
}

// compareWithCopy takes checkpoints, copies the files of each one, and reports both rates.
func compareWithCopy(b *testing.B, write func(*checkpoint.Upload) snapshot.Handle) {
	for b.Loop() {
		dir := b.TempDir()
		job := startCheckpoints(dir)
		var bytes int64
		var wrote, copied, share []float64
		for range checkpointTurns {
			stats := job.checkpoint(write)
			files := must1(filepath.Glob(filepath.Join(dir, "job", fmt.Sprintf("chk-%d", stats.ID), "*")))
			took := must1(timeCopy(files, b.TempDir()))
			bytes = stats.Bytes
			wrote = append(wrote, float64(bytes)/1e6/stats.Took.Seconds())
			copied = append(copied, float64(bytes)/1e6/took.Seconds())
			share = append(share, 100*took.Seconds()/stats.Took.Seconds())
		}
		check(job.coordinator.Close())
		b.ReportMetric(float64(bytes)/1e6, "file-MB")
		b.ReportMetric(median(wrote), "write-MB/s")
		b.ReportMetric(median(copied), "copy-MB/s")
		b.ReportMetric(median(share), "%-of-copy")
	}
	b.ReportMetric(0, "ns/op")
}

// checkpoints is a job with one subtask that does nothing but take checkpoints.
type checkpoints struct {
	coordinator *checkpoint.Coordinator
	attempt     *checkpoint.Attempt
	complete    chan checkpoint.Stats
}

func startCheckpoints(dir string) *checkpoints {
	files := must1(checkpoint.NewFiles(dir))
	j := &checkpoints{complete: make(chan checkpoint.Stats, 1)}
	j.coordinator = must1(checkpoint.NewCoordinator(ctx, checkpoint.Options{
		Job: "job", Storage: must1(checkpoint.NewStorage(files, checkpoint.StorageOptions{})),
	}))
	j.attempt = must1(j.coordinator.Begin(ctx, j, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}}))
	return j
}

// checkpoint takes a checkpoint, from trigger to commit, and returns its statistics.
func (j *checkpoints) checkpoint(write func(*checkpoint.Upload) snapshot.Handle) checkpoint.Stats {
	u := j.attempt.Upload(must1(j.attempt.Trigger()), "op", 0)
	handle := write(u)
	check(u.Acknowledge(&handle, nil))
	return <-j.complete
}

// Trigger implements checkpoint.Tasks.
func (*checkpoints) Trigger(checkpoint.Trigger) {}

// Complete implements checkpoint.Tasks.
func (j *checkpoints) Complete(s checkpoint.Stats) { j.complete <- s }

// Aborted implements checkpoint.Tasks.
func (*checkpoints) Aborted(_ checkpoint.ID, reason error) { panic(reason) }

// Fail implements checkpoint.Tasks.
func (*checkpoints) Fail(reason error) { panic(reason) }

// timeCopy copies files to a directory and returns the time. It syncs each file, because a
// checkpoint must do so too.
func timeCopy(files []string, dir string) (time.Duration, error) {
	begun := time.Now()
	for _, file := range files {
		if err := copyFile(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
