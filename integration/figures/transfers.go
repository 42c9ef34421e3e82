package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstate/weir/integration/servers"
)

// parallel is the number of files that are written or read at the same time, as lsmstate does for
// each subtask.
const parallel = 4

// client copies files to a server and back.
type client interface {
	// put writes local files to the directory dir of the server. It returns the time.
	put(ctx context.Context, files []string, dir string) (time.Duration, error)
	// get copies the files of put to a local directory. It returns the time.
	get(ctx context.Context, files []string, dir, local string) (time.Duration, error)
	// remove removes the directory dir of the server.
	remove(ctx context.Context, dir string) error
}

// contest is a server with the store of Weir and the client that comes with the server.
type contest struct {
	name      string
	own, ours client
	ownName   string
	close     func() error
}

// transfers writes a table of the rates of all clients for files of two sizes. It returns the rates of the
// clients that come with the servers.
func (o options) transfers(ctx context.Context, out io.Writer, at servers.Addresses, dir string) (map[string]rates, error) {
	own := make(map[string]rates)
	fmt.Fprintln(out, "| server, files | client | write MiB/s | read MiB/s |")
	fmt.Fprintln(out, "|---|---|---|---|")
	for _, server := range []struct {
		name string
		open func(context.Context, servers.Addresses, string) (contest, error)
	}{{"s3", s3Contest}, {"hdfs", hdfsContest}} {
		if o.only != "" && o.only != server.name {
			continue
		}
		c, err := server.open(ctx, at, dir)
		if err != nil {
			return nil, err
		}
		for _, fileMiB := range []int{8, 64} {
			var r rates
			if err == nil {
				r, err = o.compare(ctx, out, c, fileMiB, dir)
			}
			if fileMiB == 8 {
				own[c.name] = r
			}
		}
		if err = errors.Join(err, c.close()); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	fmt.Fprintln(out)
	return own, nil
}

// compare measures the clients of a server in turns and writes their rows. It returns the rates of the
// client that comes with the server.
func (o options) compare(ctx context.Context, out io.Writer, c contest, fileMiB int, dir string) (own rates, err error) {
	work := filepath.Join(dir, fmt.Sprintf("%s-%d", c.name, fileMiB))
	defer os.RemoveAll(work)
	files, err := writeFiles(filepath.Join(work, "in"), o.mib/fileMiB, fileMiB<<20)
	if err != nil {
		return own, err
	}
	clients := []client{c.own, c.ours}
	puts, gets := make([][]time.Duration, 2), make([][]time.Duration, 2)
	for run := range o.runs + 1 { // the first run warms up
		for i, client := range clients {
			remote, local := fmt.Sprintf("figures/%d-%d-%d", fileMiB, run, i), filepath.Join(work, "out")
			if err := os.MkdirAll(local, 0o700); err != nil {
				return own, err
			}
			put, err := client.put(ctx, files, remote)
			if err != nil {
				return own, err
			}
			get, err := client.get(ctx, files, remote, local)
			if err != nil {
				return own, err
			}
			if err := checkSizes(files, local); err != nil {
				return own, err
			}
			if run > 0 {
				puts[i], gets[i] = append(puts[i], put), append(gets[i], get)
			}
			if err := errors.Join(os.RemoveAll(local), client.remove(ctx, remote)); err != nil {
				return own, err
			}
		}
	}
	total := int64(len(files)) * int64(fileMiB) << 20
	for i, name := range []string{c.ownName, "Weir"} {
		fmt.Fprintf(out, "| %s, %d MiB | %s | %s | %s |\n", c.name, fileMiB, name,
			cell(total, puts, i), cell(total, gets, i))
	}
	return rates{rate(total, median(puts[0])), rate(total, median(gets[0]))}, nil
}

// cell returns the rate of a client, and for Weir also the ratio to the other client.
func cell(total int64, all [][]time.Duration, i int) string {
	r := rate(total, median(all[i]))
	if i == 0 {
		return fmt.Sprintf("%.0f", r)
	}
	return fmt.Sprintf("%.0f (%.0f %%)", r, 100*r/rate(total, median(all[0])))
}

// writeFiles writes files of random bytes.
func writeFiles(dir string, n, bytes int) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	source := rand.NewChaCha8([32]byte{7})
	data := make([]byte, bytes)
	for i := range n {
		_, _ = source.Read(data) // never fails
		path := filepath.Join(dir, fmt.Sprintf("file-%03d", i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

// checkSizes returns an error unless dir has a copy of each file, by its size.
func checkSizes(files []string, dir string) error {
	for _, path := range files {
		want, err := os.Stat(path)
		if err != nil {
			return err
		}
		got, err := os.Stat(filepath.Join(dir, filepath.Base(path)))
		if err != nil {
			return err
		}
		if got.Size() != want.Size() {
			return fmt.Errorf("the copy of %s has %d bytes, want %d", filepath.Base(path), got.Size(), want.Size())
		}
	}
	return nil
}

// each calls f for every file, parallel at a time, and returns the time.
func each(files []string, f func(path, name string) error) (time.Duration, error) {
	begun := time.Now()
	errs := make(chan error, len(files))
	slots := make(chan struct{}, parallel)
	for _, path := range files {
		slots <- struct{}{}
		go func() {
			errs <- f(path, filepath.Base(path))
			<-slots
		}()
	}
	var all error
	for range files {
		all = errors.Join(all, <-errs)
	}
	return time.Since(begun), all
}

// object returns the name of the object for a file.
func object(dir, name string) string { return strings.Trim(dir, "/") + "/" + name }
