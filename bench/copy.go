package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// copied compares writing a checkpoint with copying its files.
type copied struct {
	files int
	bytes int64
	wrote time.Duration // the checkpoint, from trigger to commit
	plain time.Duration // to copy the files, as cp does
	// synced is plain with a sync of each file and of the directory, which a
	// checkpoint cannot do without.
	synced time.Duration
}

// copies is how often each kind of copy is made; the median counts.
const copies = 5

// copyCheckpoint copies the files of the last checkpoint of a run.
func copyCheckpoint(p plan, last completed) (c copied, err error) {
	files, err := filepath.Glob(filepath.Join(p.checkpointDir(), jobName, fmt.Sprintf("chk-%d", last.ID), "*"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("checkpoint %d has no files", last.ID)
	}
	if err != nil {
		return c, err
	}
	c.files, c.wrote = len(files), last.Took
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return c, err
		}
		c.bytes += info.Size()
	}
	to := filepath.Join(p.dir, "copy")
	if c.plain, err = timeCopies(files, to, false); err != nil {
		return c, err
	}
	c.synced, err = timeCopies(files, to, true)
	return c, err
}

// timeCopies copies files into a new directory, several times.
func timeCopies(files []string, dir string, sync bool) (time.Duration, error) {
	var took [copies]time.Duration
	for i := range took {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return 0, err
		}
		begun := time.Now()
		if err := copyFiles(files, dir, sync); err != nil {
			return 0, err
		}
		took[i] = time.Since(begun)
		if err := os.RemoveAll(dir); err != nil {
			return 0, err
		}
	}
	middle, _ := percentile(took[:], 50, 1)
	return middle, nil
}

func copyFiles(files []string, dir string, sync bool) error {
	for _, file := range files {
		if err := copyFile(file, filepath.Join(dir, filepath.Base(file)), sync); err != nil {
			return err
		}
	}
	if !sync {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Not every system can sync a directory; then the copy has it easier.
	_ = d.Sync()
	return d.Close()
}

func copyFile(from, to string, sync bool) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil && sync {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// String gives the speed of the checkpoint as a part of that of a copy, too.
func (c copied) String() string {
	share := func(copy time.Duration) float64 { return 100 * float64(copy) / float64(max(c.wrote, 1)) }
	return fmt.Sprintf("the last checkpoint, %s in %d files, took %.1f ms; copying it takes %.1f ms with sync (%.0f %%), %.1f ms without (%.0f %%)",
		bytesOr(uint64(c.bytes)), c.files, milliseconds(c.wrote),
		milliseconds(c.synced), share(c.synced), milliseconds(c.plain), share(c.plain))
}
