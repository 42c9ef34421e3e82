package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/servers"
)

// store copies files with a store of Weir, as lsmstate does: in pieces of 1 MiB.
type store struct{ objects checkpoint.Objects }

const pieceBytes = 1 << 20

func (s store) put(ctx context.Context, files []string, dir string) (time.Duration, error) {
	return each(files, func(path, name string) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := s.objects.Create(ctx, object(dir, name))
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(onlyWriter{out}, onlyReader{in}, make([]byte, pieceBytes))
		if err == nil {
			err = out.Commit()
		}
		if err != nil {
			return errors.Join(err, out.Abort())
		}
		return nil
	})
}

func (s store) get(ctx context.Context, files []string, dir, local string) (time.Duration, error) {
	return each(files, func(_, name string) error {
		in, err := s.objects.Open(ctx, object(dir, name))
		if err != nil {
			return err
		}
		defer in.Close()
		size, err := in.Size()
		if err != nil {
			return err
		}
		out, err := os.Create(filepath.Join(local, name))
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(onlyWriter{out}, onlyReader{io.NewSectionReader(in, 0, size)}, make([]byte, pieceBytes))
		return errors.Join(err, out.Close())
	})
}

// remove removes the objects of a directory.
func (s store) remove(ctx context.Context, dir string) error {
	list, err := s.objects.List(ctx, dir+"/")
	for _, o := range list {
		if err == nil && o.Irregular == nil {
			err = s.objects.Remove(ctx, o.Name)
		}
	}
	return err
}

// onlyWriter and onlyReader hide the methods by which io.CopyBuffer would use other buffers.
type onlyWriter struct{ io.Writer }
type onlyReader struct{ io.Reader }

// sdk copies files with the uploader and downloader of the AWS SDK.
type sdk struct {
	store // of the same objects, to remove them
	up    *manager.Uploader
	down  *manager.Downloader
}

// prefix is the directory of the figures, in the bucket and in HDFS.
var prefix = fmt.Sprintf("figures-%d", time.Now().UnixNano())

func (c sdk) put(ctx context.Context, files []string, dir string) (time.Duration, error) {
	return each(files, func(path, name string) error {
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = c.up.Upload(ctx, &s3.PutObjectInput{Bucket: aws.String(servers.Bucket), Key: aws.String(prefix + "/" + object(dir, name)), Body: in})
		return err
	})
}

func (c sdk) get(ctx context.Context, files []string, dir, local string) (time.Duration, error) {
	return each(files, func(_, name string) error {
		out, err := os.Create(filepath.Join(local, name))
		if err != nil {
			return err
		}
		_, err = c.down.Download(ctx, out, &s3.GetObjectInput{Bucket: aws.String(servers.Bucket), Key: aws.String(prefix + "/" + object(dir, name))})
		return errors.Join(err, out.Close())
	})
}

func s3Contest(ctx context.Context, at servers.Addresses, _ string) (contest, error) {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return contest{}, err
	}
	c := s3.NewFromConfig(settings, func(o *s3.Options) {
		o.UsePathStyle, o.BaseEndpoint, o.DisableLogOutputChecksumValidationSkipped = true, aws.String(at.S3), true
	})
	objects, err := checkpoint.OpenObjects(ctx, "s3://"+servers.Bucket+"/"+prefix+"?path-style=true&endpoint="+at.S3)
	if err != nil {
		return contest{}, err
	}
	ours := store{objects}
	return contest{
		name: "s3", ours: ours, own: sdk{ours, manager.NewUploader(c), manager.NewDownloader(c)},
		ownName: "AWS SDK, feature/s3/manager", close: func() error { return nil },
	}, nil
}

// shell copies files with hdfs dfs, in a JVM that has been started before.
type shell struct{ commands *servers.Shell }

func (c shell) put(_ context.Context, files []string, dir string) (time.Duration, error) {
	if _, err := c.commands.Run("-mkdir", "-p", c.path(dir)); err != nil {
		return 0, err
	}
	return c.commands.Run(append(append([]string{"-put", "-t", strconv.Itoa(parallel)}, files...), c.path(dir))...)
}

func (c shell) get(_ context.Context, _ []string, dir, local string) (time.Duration, error) {
	return c.commands.Run("-get", "-t", strconv.Itoa(parallel), c.path(dir)+"/*", local)
}

func (c shell) remove(_ context.Context, dir string) error {
	_, err := c.commands.Run("-rm", "-r", "-skipTrash", c.path(dir))
	return err
}

func (c shell) path(dir string) string { return "/" + prefix + "/" + dir }

func hdfsContest(ctx context.Context, at servers.Addresses, dir string) (contest, error) {
	installation, err := servers.Install(ctx, io.Discard)
	if err != nil {
		return contest{}, err
	}
	dir = filepath.Join(dir, "shell")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return contest{}, err
	}
	commands, err := installation.StartShell(ctx, dir, at.HDFS)
	if err != nil {
		return contest{}, err
	}
	objects, err := checkpoint.OpenObjects(ctx, "hdfs://"+at.HDFS+"/"+prefix)
	if err != nil {
		return contest{}, errors.Join(err, commands.Close())
	}
	ours := store{objects}
	return contest{
		name: "hdfs", ours: ours, own: shell{commands},
		ownName: "hdfs dfs -put, -get", close: commands.Close,
	}, nil
}
