// Command copyjob copies the checkpoints of a stopped job to another storage. The URLs are those
// of package checkpoint, without a preset. With a third URL, the list of complete checkpoints is
// written to that completed store instead of the target:
//
//	copyjob counter file:///var/checkpoints 's3://bucket/prefix?region=eu-central-1'
//	copyjob counter file:///var/checkpoints hdfs://namenode:8020/flows zk://zk1,zk2,zk3/weir
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/weirstate/weir/checkpoint"
	_ "github.com/weirstate/weir/checkpoint/hdfsstore" // scheme hdfs
	_ "github.com/weirstate/weir/checkpoint/s3store"   // scheme s3
	_ "github.com/weirstate/weir/checkpoint/zkstore"   // scheme zk, for completed stores
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 || len(os.Args) > 5 {
		log.Fatal("want the name of the job, the URL to copy from, the URL to copy to and, if there is one, the URL of a completed store")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	completed := ""
	if len(os.Args) == 5 {
		completed = os.Args[4]
	}
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3], completed); err != nil {
		log.Fatal(err)
	}
}

// run copies a job. The list of complete checkpoints follows last.
func run(ctx context.Context, job, from, to, completed string) (err error) {
	source, err := checkpoint.OpenObjects(ctx, from)
	if err != nil {
		return fmt.Errorf("copy from: %w", err)
	}
	target, err := checkpoint.OpenObjects(ctx, to)
	if err != nil {
		return fmt.Errorf("copy to: %w", err)
	}
	if listed, err := list(ctx, target, job+"/"); err != nil {
		return err
	} else if len(listed) > 0 {
		return fmt.Errorf("the target has %d objects of job %q: remove them first", len(listed), job)
	}
	listed, err := list(ctx, source, job+"/")
	if err != nil {
		return err
	}
	var files, entries, attempts []checkpoint.ObjectInfo
	for _, o := range listed {
		switch {
		case strings.HasPrefix(o.Name, job+"/completed/"):
			entries = append(entries, o)
		case strings.HasPrefix(o.Name, job+"/attempts/"):
			attempts = append(attempts, o)
		default:
			files = append(files, o)
		}
	}
	if len(entries) == 0 && (completed != "" || len(files) == 0) {
		return fmt.Errorf("the storage lists no checkpoint of job %q", job)
	}
	if completed == "" {
		return copyAll(ctx, source, target, slices.Concat(files, attempts, entries))
	}
	store, err := openNew(ctx, completed, job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := copyAll(ctx, source, target, files); err != nil {
		return err
	}
	return fill(ctx, store, source, entries, attempts)
}

// list returns the finished objects whose names begin with prefix.
func list(ctx context.Context, objects checkpoint.Objects, prefix string) (listed []checkpoint.ObjectInfo, err error) {
	all, err := objects.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		switch {
		case o.Unfinished || errors.Is(o.Irregular, syscall.EISDIR):
		case o.Irregular != nil:
			return nil, fmt.Errorf("%s: %w", o.Name, o.Irregular)
		default:
			listed = append(listed, o)
		}
	}
	return listed, nil
}

// copyAll copies objects in the order of the list.
func copyAll(ctx context.Context, source, target checkpoint.Objects, objects []checkpoint.ObjectInfo) error {
	bytes := int64(0)
	for _, o := range objects {
		if err := copyObject(ctx, source, target, o); err != nil {
			return err
		}
		bytes += o.Size
	}
	log.Printf("copied %d objects, %d bytes", len(objects), bytes)
	return nil
}

// copyObject copies one object.
func copyObject(ctx context.Context, source, target checkpoint.Objects, o checkpoint.ObjectInfo) error {
	in, err := source.Open(ctx, o.Name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := target.Create(ctx, o.Name)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.NewSectionReader(in, 0, o.Size))
	if err == nil && n != o.Size {
		err = fmt.Errorf("%s has %d bytes, want %d: %w", o.Name, n, o.Size, io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = out.Commit()
	}
	if err != nil {
		return errors.Join(err, out.Abort())
	}
	return nil
}
