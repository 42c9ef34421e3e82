package flightjob

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weirstate/weir/job"
)

// ErrResultFile is returned when a file of results cannot be cut to its size at a
// checkpoint.
var ErrResultFile = errors.New("the result file does not hold the lines of the checkpoint")

// bufferBytes is the size of the buffer before a file.
const bufferBytes = 256 << 10

// resultFile is the sink: a file of lines. A checkpoint holds the size of the file,
// and a restore cuts off the lines that were written later, since the job writes them
// again. It implements job.Sink.
type resultFile struct {
	file *os.File
	out  *bufio.Writer
	size int64 // with the bytes in the buffer
}

// openResultFile opens a file at its size in a checkpoint, or an empty one if restored
// is nil.
func openResultFile(path string, restored []byte) (*resultFile, error) {
	size := int64(0)
	flags := os.O_RDWR | os.O_CREATE
	if restored != nil {
		if len(restored) != 8 {
			return nil, fmt.Errorf("size of %d bytes, want 8: %w", len(restored), ErrResultFile)
		}
		size = int64(binary.BigEndian.Uint64(restored))
		flags = os.O_RDWR
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrResultFile, err)
	}
	if err != nil {
		return nil, err
	}
	if err := cut(file, size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &resultFile{file, bufio.NewWriterSize(file, bufferBytes), size}, nil
}

// cut shortens a file to a size, which it must have at least, and seeks to its end.
func cut(file *os.File, size int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size < 0 || info.Size() < size {
		return fmt.Errorf("%s: %d bytes, want at least %d: %w", file.Name(), info.Size(), size, ErrResultFile)
	}
	if err := file.Truncate(size); err != nil {
		return err
	}
	_, err = file.Seek(size, io.SeekStart)
	return err
}

// Write implements job.Sink.
func (l *resultFile) Write(e job.Event[string]) error {
	l.size += int64(len(e.Value)) + 1
	if _, err := l.out.WriteString(e.Value); err != nil {
		return err
	}
	return l.out.WriteByte('\n')
}

// Snapshot implements job.Sink.
func (l *resultFile) Snapshot() (size []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(nil, uint64(l.size)), l.file.Sync, l.out.Flush()
}

// Close implements job.Sink.
func (l *resultFile) Close(finished bool) error {
	var err error
	if finished {
		err = errors.Join(l.out.Flush(), l.file.Sync())
	}
	return errors.Join(err, l.file.Close())
}
