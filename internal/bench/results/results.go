// Package results reads the files that a benchmark job has written and computes their digest.
// It works for the files of all jobs.
package results

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// ErrLate is returned when a flight was late for a window. The watermark allows for the
// disorder of the dataset, so late flights show that watermarks are wrong.
var ErrLate = errors.New("flights were late for their windows")

// maxLineBytes is the size of the longest line that Read accepts.
const maxLineBytes = 256 << 10

// Result describes a multiset of lines.
//
// Its digest is the sum, modulo 2^64, of the hashes (xxh64) of the lines. So the digest does not
// depend on the order of the lines, and a line that occurs twice counts twice.
type Result struct {
	Lines   map[string]int64 // number of lines by their first word
	Flights int64            // number of flights in all lines "total"
	Sum     uint64           // the digest
}

// Digest returns the digest as 16 hexadecimal digits.
func (r Result) Digest() string { return fmt.Sprintf("%016x", r.Sum) }

// Read reads all lines of the files. It returns ErrLate if there is a line "late".
func Read(paths ...string) (r Result, err error) {
	r.Lines = make(map[string]int64)
	for _, path := range paths {
		if err := r.readFile(path); err != nil {
			return r, err
		}
	}
	if late := r.Lines["late"]; late > 0 {
		return r, fmt.Errorf("%d late lines: %w", late, ErrLate)
	}
	return r, nil
}

func (r *Result) readFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, maxLineBytes)
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r.add(line[:len(line)-1])
	}
}

func (r *Result) add(line []byte) {
	r.Sum += xxhash.Sum64(line)
	word, rest, _ := bytes.Cut(line, []byte{' '})
	r.Lines[string(word)]++
	if string(word) == "total" {
		r.Flights += totalOf(rest)
	}
}

// totalOf returns the number of flights in a line "total". The argument is the line without its
// first word: ORD 158962 flights, …
func totalOf(rest []byte) int64 {
	_, rest, _ = bytes.Cut(rest, []byte{' '})
	number, _, _ := bytes.Cut(rest, []byte{' '})
	n, _ := strconv.ParseInt(string(number), 10, 64)
	return n
}
