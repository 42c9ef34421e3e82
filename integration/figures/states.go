package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/loadjob"
	"github.com/weirstate/weir/integration/servers"
)

// subtasks is the number of subtasks of the job whose checkpoints are measured.
const subtasks = 2

// states writes a table of the rates of checkpoints and restores.
func (o options) states(ctx context.Context, out io.Writer, at servers.Addresses, dir string) error {
	fmt.Fprintf(out, "| %d MiB on LSM trees, %d subtasks | new files | time | MiB/s |\n|---|---|---|---|\n", o.stateMiB, subtasks)
	run := time.Now().UnixNano()
	for _, storage := range []struct{ name, url string }{
		{"files", "lsm+file://" + filepath.ToSlash(filepath.Join(dir, "files")) + "?"},
		{"s3", fmt.Sprintf("lsm+s3://%s/figures-state-%d?path-style=true&endpoint=%s&", servers.Bucket, run, at.S3)},
		{"hdfs", fmt.Sprintf("lsm+hdfs://%s/figures-state-%d?", at.HDFS, run)},
	} {
		if err := o.state(ctx, out, storage.name, storage.url+"dir="+url.QueryEscape(filepath.Join(dir, storage.name+"-trees"))); err != nil {
			return fmt.Errorf("%s: %w", storage.name, err)
		}
	}
	return nil
}

// state writes the rows of one storage: the first checkpoint, one after a third of the state has
// changed, and a restore.
func (o options) state(ctx context.Context, out io.Writer, name, at string) error {
	row := func(what string, bytes int64, took time.Duration) {
		fmt.Fprintf(out, "| %s: %s | %.0f MiB | %.2f s | %.0f |\n", name, what, float64(bytes)/(1<<20), took.Seconds(), rate(bytes, took))
	}
	j, err := loadjob.Open(ctx, at, subtasks)
	if err != nil {
		return err
	}
	values := int64(o.stateMiB) << 20 / loadjob.ValueBytes
	var stats checkpoint.Stats
	for i, part := range []struct {
		what string
		to   int64
	}{{"first checkpoint", values}, {"a third has changed", values / 3}} {
		if err := j.Write(0, part.to, uint64(i)); err != nil {
			return err
		}
		if stats, err = j.Checkpoint(ctx); err != nil {
			return err
		}
		row(part.what, stats.NewBytes, stats.Took)
	}
	if err := j.Close(); err != nil {
		return err
	}
	begun := time.Now()
	if j, err = loadjob.Open(ctx, at, subtasks); err != nil {
		return err
	}
	row("restore", stats.Bytes, time.Since(begun))
	if err := j.Check(0, values/3, 1); err != nil {
		return err
	}
	if err := j.Check(values/3, values, 0); err != nil {
		return err
	}
	return j.Discard(ctx)
}
