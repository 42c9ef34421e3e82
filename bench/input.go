package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// defaultInputs is where the flights are, seen from the root of the repository
// and from this folder.
var defaultInputs = []string{"bench/data/flights-2001-h1.csv.zst", "data/flights-2001-h1.csv.zst"}

// findInput returns the path to read.
func findInput(path string) (string, error) {
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("-input: %w", err)
		}
		return path, nil
	}
	for _, path := range defaultInputs {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not here: run from the repository's root or from bench, or pass its path as -input, or that of a CSV file with the columns %s",
		defaultInputs[0], header)
}

// inputFile is an input file, read from its beginning.
type inputFile struct {
	*flightReader
	file *os.File
	zstd *zstd.Decoder // nil if the file is plain CSV
}

// maxWindowBytes bounds the memory that a compressed file may ask for. The
// file in data asks for 8 MiB.
const maxWindowBytes = 64 << 20

// openInput opens CSV, compressed if the name ends in .zst.
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

// batchFlights is how many flights are handed over at a time: about a
// millisecond's reading.
const batchFlights = 4096

// flightsOf yields the flights of a file in batches, up to the first n of them.
// A batch is good until the loop asks for the next. An error is yielded last;
// the end of the context is one.
//
// A goroutine of its own reads one batch ahead; it is gone when the loop ends.
func flightsOf(ctx context.Context, path string, n int64) iter.Seq2[[]flight, error] {
	return func(yield func([]flight, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		full, free := make(chan []flight), make(chan []flight, 2)
		free <- make([]flight, 0, batchFlights)
		free <- make([]flight, 0, batchFlights)
		var err error // why the reading ended; written before full is closed
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

// readAhead fills what it takes from free and sends it to full.
func readAhead(ctx context.Context, path string, n int64, free <-chan []flight, full chan<- []flight) error {
	s, err := openInput(path)
	if err != nil {
		return err
	}
	defer s.close()
	for n > 0 {
		var flights []flight
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

// readBatch adds up to n flights to dst, fewer only with an error.
func (r *flightReader) readBatch(dst []flight, n int64) ([]flight, error) {
	for range n {
		f, err := r.read()
		if err != nil {
			return dst, err
		}
		dst = append(dst, f)
	}
	return dst, nil
}
