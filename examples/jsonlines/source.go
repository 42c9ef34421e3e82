package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/job"
)

// standardInput is the path that stands for standard input.
const standardInput = "-"

// inputs is a source with a partition for each file. A position is a number of bytes.
type inputs struct {
	paths   []string
	fields  fields
	skip    bool
	skipped *atomic.Int64 // wrong lines
}

// position is where a reader continues after a restore, as JSON in a checkpoint.
type position struct {
	Path   string
	Fields fields
	Offset int64 // bytes
}

// Partitions implements job.PositionSource.
func (in *inputs) Partitions() int { return len(in.paths) }

// Open implements job.PositionSource.
func (in *inputs) Open(_ context.Context, partition int, restored []byte) (job.PositionReader[line], error) {
	p := position{Path: in.paths[partition], Fields: in.fields}
	if restored != nil {
		if err := json.Unmarshal(restored, &p); err != nil {
			return nil, err
		}
	}
	if p.Path != in.paths[partition] || p.Fields != in.fields {
		return nil, fmt.Errorf("input %d is %s with fields %v, and was %s with fields %v in the checkpoint: "+
			"start the same command again, or remove the checkpoints", partition, in.paths[partition], in.fields, p.Path, p.Fields)
	}
	file, err := openAt(p.Path, p.Offset)
	if err != nil {
		return nil, err
	}
	r := &reader{in: in, file: file, position: p, chunks: make(chan chunk, 4), closed: make(chan struct{})}
	go r.readLines(p.Offset)
	return r, nil
}

// openAt opens a file at an offset. Standard input is read from its beginning again and
// skipped up to there, by the goroutine of the reader.
func openAt(path string, offset int64) (*os.File, error) {
	if path == standardInput {
		return os.Stdin, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		if info.Size() < offset {
			err = fmt.Errorf("file %s has %d bytes, and %d were read before", path, info.Size(), offset)
		} else {
			_, err = file.Seek(offset, io.SeekStart)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// parsed is a line and the offset after it.
type parsed struct {
	event job.Event[line]
	end   int64
}

// chunk is some lines, or the error after the last one: io.EOF at the end.
type chunk struct {
	lines []parsed
	err   error
}

const (
	chunkLines   = 512
	maxLineBytes = 1 << 20
	maxWait      = 20 * time.Millisecond
)

// reader reads one partition. A goroutine reads and parses lines, so that Read can return when
// its context ends, although a read of standard input cannot be interrupted.
type reader struct {
	in       *inputs
	file     *os.File
	position position // after the lines that Read has returned
	chunks   chan chunk
	closed   chan struct{}

	lines []parsed // not returned yet
	err   error    // after them
}

// Read implements job.Reader. It waits briefly for input and then returns nothing: a checkpoint
// begins between two calls, so a longer wait would hold it up.
func (r *reader) Read(ctx context.Context, dst []job.Event[line]) (n int, err error) {
	if len(r.lines) == 0 && r.err == nil {
		select {
		case c := <-r.chunks:
			r.lines, r.err = c.lines, c.err
		case <-time.After(maxWait):
			return 0, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	for ; n < min(len(dst), len(r.lines)); n++ {
		dst[n] = r.lines[n].event
		r.position.Offset = r.lines[n].end
	}
	if r.lines = r.lines[n:]; len(r.lines) == 0 {
		err = r.err
	}
	return n, err
}

// Position implements job.PositionReader.
func (r *reader) Position() ([]byte, error) { return json.Marshal(r.position) }

// Close implements job.Reader.
func (r *reader) Close() error {
	close(r.closed)
	if r.file == os.Stdin {
		return nil
	}
	return r.file.Close()
}

// readLines sends chunks until the end of the file, an error or Close.
func (r *reader) readLines(offset int64) {
	buffered := bufio.NewReaderSize(r.file, 1<<16)
	if r.file == os.Stdin {
		if n, err := io.CopyN(io.Discard, buffered, offset); err != nil {
			// The error is not wrapped: io.EOF would be the end of the partition.
			r.send(chunk{err: fmt.Errorf("standard input has %d bytes, and %d were read before: %v", n, offset, err)})
			return
		}
	}
	for {
		c := r.readChunk(buffered, &offset)
		if !r.send(c) || c.err != nil {
			return
		}
	}
}

// send hands a chunk to Read. It reports whether the reader is still open.
func (r *reader) send(c chunk) bool {
	select {
	case r.chunks <- c:
		return true
	case <-r.closed:
		return false
	}
}

// readChunk reads lines until the chunk is full, or the next whole line would have to be waited
// for.
func (r *reader) readChunk(from *bufio.Reader, offset *int64) (c chunk) {
	for len(c.lines) == 0 || len(c.lines) < chunkLines && hasLine(from) {
		text, err := readLine(from)
		begin := *offset
		*offset += int64(len(text))
		if err != nil && err != io.EOF {
			c.err = fmt.Errorf("%s: line at byte %d: %w", r.position.Path, begin, err)
			return c
		}
		if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 {
			event, wrong := r.in.fields.parse(trimmed)
			switch {
			case wrong == nil:
				c.lines = append(c.lines, parsed{event, *offset})
			case r.in.skip:
				r.in.skipped.Add(1)
			default:
				c.err = fmt.Errorf("%s: line at byte %d: %w", r.position.Path, begin, wrong)
				return c
			}
		}
		if err == io.EOF {
			c.err = io.EOF
			return c
		}
	}
	return c
}

// hasLine reports whether a whole line is in the buffer.
func hasLine(from *bufio.Reader) bool {
	text, err := from.Peek(from.Buffered())
	return err == nil && bytes.IndexByte(text, '\n') >= 0
}

// readLine returns the next line with its end. The last line may have none.
func readLine(from *bufio.Reader) (text []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxLineBytes {
			return text, fmt.Errorf("longer than %d bytes", maxLineBytes)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}
