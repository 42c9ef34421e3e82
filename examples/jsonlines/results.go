package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/weirstate/weir/job"
)

// openResults returns the function that opens the sink: a file, or standard output if the path
// is empty.
func openResults(path string) func(context.Context, []byte) (job.Sink[string], error) {
	return func(_ context.Context, restored []byte) (job.Sink[string], error) {
		if path == "" {
			return printed{bufio.NewWriter(os.Stdout)}, nil
		}
		return openFile(path, restored)
	}
}

// printed is the sink on standard output. It cannot take lines back.
type printed struct{ out *bufio.Writer }

// Write implements job.Sink.
func (p printed) Write(e job.Event[string]) error {
	_, err := p.out.WriteString(e.Value + "\n")
	return err
}

// Snapshot implements job.Sink: lines before a checkpoint are written before it is complete.
func (p printed) Snapshot() ([]byte, func() error, error) { return nil, nil, p.out.Flush() }

// Close implements job.Sink.
func (p printed) Close(bool) error { return p.out.Flush() }

// file is the sink in a file. Its position is the size of the file: when the sink is opened
// again, it cuts off all lines that were written after the checkpoint.
type file struct {
	out  *bufio.Writer
	file *os.File
	size uint64
}

func openFile(path string, restored []byte) (_ *file, err error) {
	f := &file{}
	if len(restored) > 0 {
		f.size = binary.BigEndian.Uint64(restored)
	}
	if f.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	info, err := f.file.Stat()
	if err == nil && info.Size() < int64(f.size) {
		err = errors.New("the output file is shorter than in the checkpoint: " + path)
	}
	if err == nil {
		err = f.file.Truncate(int64(f.size))
	}
	if err == nil {
		_, err = f.file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	f.out = bufio.NewWriter(f.file)
	return f, nil
}

// Write implements job.Sink.
func (f *file) Write(e job.Event[string]) error {
	n, err := f.out.WriteString(e.Value + "\n")
	f.size += uint64(n)
	return err
}

// Snapshot implements job.Sink. The job calls Sync before the checkpoint is complete.
func (f *file) Snapshot() (position []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(nil, f.size), f.file.Sync, f.out.Flush()
}

// Close implements job.Sink.
func (f *file) Close(finished bool) error {
	err := f.out.Flush()
	if finished && err == nil {
		err = f.file.Sync()
	}
	return errors.Join(err, f.file.Close())
}
