package main

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

// errLate is returned when a flight was late: the disorder is known, so the
// watermark was wrong.
var errLate = errors.New("flights were late for their windows")

// maxLineBytes is the longest line that is read.
const maxLineBytes = 256 << 10

// result is what a run of the job comes to: a multiset of lines.
//
// Its digest is the sum, modulo 2^64, of the hashes (xxh64) of the lines: the
// same lines give the same digest in whatever order, without having to be
// sorted, and one that is there twice counts twice.
type result struct {
	lines   map[string]int64 // by first word
	flights int64            // in all totals
	sum     uint64
}

func (r result) digest() string { return fmt.Sprintf("%016x", r.sum) }

// readResult reads files of lines. It returns errLate if one is about a late
// flight.
func readResult(paths ...string) (r result, err error) {
	r.lines = make(map[string]int64)
	for _, path := range paths {
		if err := r.readFile(path); err != nil {
			return r, err
		}
	}
	if late := r.lines["late"]; late > 0 {
		return r, fmt.Errorf("%d lines: %w", late, errLate)
	}
	return r, nil
}

func (r *result) readFile(path string) error {
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

func (r *result) add(line []byte) {
	r.sum += xxhash.Sum64(line)
	word, rest, _ := bytes.Cut(line, []byte{' '})
	r.lines[string(word)]++
	if string(word) == "total" {
		r.flights += totalOf(rest)
	}
}

// totalOf reads the number of flights from what follows the first word of a
// total: ORD 158962 flights, …
func totalOf(rest []byte) int64 {
	_, rest, _ = bytes.Cut(rest, []byte{' '})
	number, _, _ := bytes.Cut(rest, []byte{' '})
	n, _ := strconv.ParseInt(string(number), 10, 64)
	return n
}
