package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weirstate/weir/job"
)

// errLines is returned when a file of lines cannot be taken back to a
// checkpoint.
var errLines = errors.New("the lines that a checkpoint goes back to are not there")

// bufferBytes is the size of the buffer before a file.
const bufferBytes = 256 << 10

// lineFile is the sink: a file of lines. In a checkpoint is how long it was, and
// a restore cuts off what was written later, which the job is about to write
// again. It implements job.Sink.
type lineFile struct {
	file *os.File
	out  *bufio.Writer
	size int64 // with what is in the buffer
}

// openLines opens a file where a checkpoint left it, or a new one if restored is
// nil.
func openLines(path string, restored []byte) (*lineFile, error) {
	size := int64(0)
	flags := os.O_RDWR | os.O_CREATE
	if restored != nil {
		if len(restored) != 8 {
			return nil, fmt.Errorf("%d bytes of offset: %w", len(restored), errLines)
		}
		size = int64(binary.BigEndian.Uint64(restored))
		flags = os.O_RDWR
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errLines, err)
	}
	if err != nil {
		return nil, err
	}
	if err := cut(file, size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &lineFile{file, bufio.NewWriterSize(file, bufferBytes), size}, nil
}

// cut shortens a file to a size that it must have, and goes there.
func cut(file *os.File, size int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size < 0 || info.Size() < size {
		return fmt.Errorf("%s: %d bytes, not %d: %w", file.Name(), info.Size(), size, errLines)
	}
	if err := file.Truncate(size); err != nil {
		return err
	}
	_, err = file.Seek(size, io.SeekStart)
	return err
}

// Write implements job.Sink.
func (l *lineFile) Write(e job.Event[string]) error {
	l.size += int64(len(e.Value)) + 1
	if _, err := l.out.WriteString(e.Value); err != nil {
		return err
	}
	return l.out.WriteByte('\n')
}

// Snapshot implements job.Sink.
func (l *lineFile) Snapshot() (size []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(nil, uint64(l.size)), l.file.Sync, l.out.Flush()
}

// Close implements job.Sink.
func (l *lineFile) Close(finished bool) error {
	var err error
	if finished {
		err = errors.Join(l.out.Flush(), l.file.Sync())
	}
	return errors.Join(err, l.file.Close())
}
