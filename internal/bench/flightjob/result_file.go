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

// ErrResultFile is returned when a result file is shorter than it was at the checkpoint, or does
// not exist.
var ErrResultFile = errors.New("the result file does not hold the lines of the checkpoint")

// bufferBytes is the size of the write buffer of a file.
const bufferBytes = 256 << 10

// resultFile is a sink that writes lines to a file. A checkpoint holds the size of the file. A
// restore truncates the file to this size, because the job writes the later lines again.
// resultFile implements job.Sink.
type resultFile struct {
	file *os.File
	out  *bufio.Writer
	size int64 // includes the bytes in the buffer
}

// openResultFile opens a file and truncates it to its size in a checkpoint, or to zero if
// restored is nil.
func openResultFile(path string, restored []byte) (*resultFile, error) {
	size := int64(0)
	flags := os.O_RDWR | os.O_CREATE
	if restored != nil {
		if len(restored) != 8 {
			return nil, fmt.Errorf("sink state has %d bytes, want 8: %w", len(restored), ErrResultFile)
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
	if err := truncate(file, size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &resultFile{file, bufio.NewWriterSize(file, bufferBytes), size}, nil
}

// truncate truncates a file to a size and seeks to its end. It returns ErrResultFile if the file
// is shorter than that.
func truncate(file *os.File, size int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size < 0 || info.Size() < size {
		return fmt.Errorf("%s has %d bytes, want at least %d: %w", file.Name(), info.Size(), size, ErrResultFile)
	}
	if err := file.Truncate(size); err != nil {
		return err
	}
	_, err = file.Seek(size, io.SeekStart)
	return err
}

// Write implements job.Sink.
func (f *resultFile) Write(e job.Event[string]) error {
	f.size += int64(len(e.Value)) + 1
	if _, err := f.out.WriteString(e.Value); err != nil {
		return err
	}
	return f.out.WriteByte('\n')
}

// Snapshot implements job.Sink.
func (f *resultFile) Snapshot() (size []byte, sync func() error, err error) {
	return binary.BigEndian.AppendUint64(nil, uint64(f.size)), f.file.Sync, f.out.Flush()
}

// Close implements job.Sink.
func (f *resultFile) Close(finished bool) error {
	var err error
	if finished {
		err = errors.Join(f.out.Flush(), f.file.Sync())
	}
	return errors.Join(err, f.file.Close())
}
