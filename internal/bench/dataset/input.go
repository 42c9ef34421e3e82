package dataset

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// inputFileName is the path of the flights below the root of the repository.
const inputFileName = "bench/data/flights-2001-h1.csv.zst"

// FindInput returns the path of the file of flights in the repository. It searches the working
// directory and its parents.
func FindInput() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, inputFileName)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s not found: run from a directory of the repository, or pass -input with a CSV file that has the columns %s",
				inputFileName, Header)
		}
		dir = parent
	}
}

// inputFile reads the flights of a file from its beginning.
type inputFile struct {
	*flightReader
	file *os.File
	zstd *zstd.Decoder // nil if the file is plain CSV
}

// maxWindowBytes limits the window, and so the memory, of a compressed file. The file in
// bench/data has a window of 8 MiB.
const maxWindowBytes = 64 << 20

// openInput opens a CSV file, compressed by zstd if its name ends in .zst.
func openInput(path string) (s *inputFile, err error) {
	s = &inputFile{}
	if s.file, err = os.Open(path); err != nil {
		return nil, err
	}
	in := io.Reader(s.file)
	if strings.HasSuffix(path, ".zst") {
		s.zstd, err = zstd.NewReader(s.file, zstd.WithDecoderMaxWindow(maxWindowBytes))
		in = s.zstd
	}
	if err == nil {
		s.flightReader, err = newFlightReader(in)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *inputFile) close() {
	if s.zstd != nil {
		s.zstd.Close()
	}
	s.file.Close()
}

// batchFlights is the maximum number of flights in a batch. A batch takes approximately one
// millisecond to read.
const batchFlights = 4096

// Flights yields the first n flights of a file in batches, or all if there are fewer. A batch is
// valid until the next iteration. An error, such as that of ctx, is the last pair that it
// yields.
//
// A goroutine reads one batch ahead. It has ended when the loop ends.
func Flights(ctx context.Context, path string, n int64) iter.Seq2[[]Flight, error] {
	return func(yield func([]Flight, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		full, free := make(chan []Flight), make(chan []Flight, 2)
		free <- make([]Flight, 0, batchFlights)
		free <- make([]Flight, 0, batchFlights)
		var err error // set before full is closed
		go func() {
			defer close(full)
			err = readAhead(ctx, path, n, free, full)
		}()
		defer func() {
			stop()
			for range full {
			}
		}()
		for flights := range full {
			if !yield(flights, nil) {
				return
			}
			free <- flights[:0]
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// readAhead receives batches from free, fills them and sends them to full.
func readAhead(ctx context.Context, path string, n int64, free <-chan []Flight, full chan<- []Flight) error {
	s, err := openInput(path)
	if err != nil {
		return err
	}
	defer s.close()
	for n > 0 {
		var flights []Flight
		select {
		case flights = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		flights, err = s.readBatch(flights, min(batchFlights, n))
		n -= int64(len(flights))
		select {
		case full <- flights:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// readBatch appends n flights to dst, or fewer and an error.
func (r *flightReader) readBatch(dst []Flight, n int64) ([]Flight, error) {
	for range n {
		f, err := r.read()
		if err != nil {
			return dst, err
		}
		dst = append(dst, f)
	}
	return dst, nil
}
