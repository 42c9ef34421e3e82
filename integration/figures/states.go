package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/loadjob"
	"github.com/weirstate/weir/integration/servers"
)

// subtasks is the number of subtasks of the job whose checkpoints are measured.
const subtasks = 2

// outcome is a measured checkpoint or restore.
type outcome struct {
	what  string
	bytes int64
	took  time.Duration
}

// states writes a table of the rates of checkpoints and restores. own has the rates of the clients that come
// with the servers.
func (o options) states(ctx context.Context, out io.Writer, at servers.Addresses, dir string, own map[string]rates) error {
	fmt.Fprintf(out, "| %d MiB on LSM trees, %d subtasks | files | time | MiB/s |\n|---|---|---|---|\n", o.stateMiB, subtasks)
	started := time.Now().UnixNano()
	for _, storage := range []struct{ name, url string }{
		{"files", "lsm+file://" + filepath.ToSlash(filepath.Join(dir, "files")) + "?"},
		{"s3", fmt.Sprintf("lsm+s3://%s/figures-state-%d?path-style=true&endpoint=%s&", servers.Bucket, started, at.S3)},
		{"hdfs", fmt.Sprintf("lsm+hdfs://%s/figures-state-%d?", at.HDFS, started)},
	} {
		var all [][]outcome // by run
		for range o.runs {
			outcomes, err := o.state(ctx, storage.url+"dir="+url.QueryEscape(filepath.Join(dir, storage.name+"-trees")))
			if err != nil {
				return fmt.Errorf("%s: %w", storage.name, err)
			}
			all = append(all, outcomes)
		}
		for i := range all[0] {
			slices.SortFunc(all, func(a, b []outcome) int { return cmp.Compare(a[i].rate(), b[i].rate()) })
			m := all[(len(all)-1)/2][i] // the median
			fmt.Fprintf(out, "| %s: %s | %.0f MiB | %.2f s | %.0f%s |\n", storage.name, m.what,
				float64(m.bytes)/(1<<20), m.took.Seconds(), m.rate(), own[storage.name].ratio(m))
		}
	}
	return nil
}

func (m outcome) rate() float64 { return rate(m.bytes, m.took) }

// rates are the rates of a client for files of 8 MiB.
type rates struct{ write, read float64 }

// ratio returns the ratio of an outcome to the rate of the client, or "" if that was not measured.
func (r rates) ratio(m outcome) string {
	own := r.write
	if m.what == restore {
		own = r.read
	}
	if own == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.0f %%)", 100*m.rate()/own)
}

// restore is the name of the outcome that reads files; the others write them.
const restore = "restore"

// state measures the first checkpoint, one after a third of the state has changed, and a restore.
func (o options) state(ctx context.Context, at string) (all []outcome, err error) {
	j, err := loadjob.Open(ctx, at, subtasks)
	if err != nil {
		return nil, err
	}
	values := int64(o.stateMiB) << 20 / loadjob.ValueBytes
	var stats checkpoint.Stats
	for i, part := range []struct {
		what string
		to   int64
	}{{"first checkpoint", values}, {"a third has changed", values / 3}} {
		if err := j.Write(0, part.to, uint64(i)); err != nil {
			return nil, err
		}
		if stats, err = j.Checkpoint(ctx); err != nil {
			return nil, err
		}
		all = append(all, outcome{part.what, stats.NewBytes, stats.Took})
	}
	if err := j.Close(); err != nil {
		return nil, err
	}
	begun := time.Now()
	if j, err = loadjob.Open(ctx, at, subtasks); err != nil {
		return nil, err
	}
	all = append(all, outcome{restore, stats.Bytes, time.Since(begun)})
	if err := j.Check(0, values/3, 1); err != nil {
		return nil, err
	}
	if err := j.Check(values/3, values, 0); err != nil {
		return nil, err
	}
	return all, j.Discard(ctx)
}
