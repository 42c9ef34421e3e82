package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Header is the first line of the input.
const Header = "date,delay,distance,origin,destination"

// bufferBytes is the size of the buffers of files, and of the longest line that a reader
// accepts. The line of a flight has approximately 33 bytes.
const bufferBytes = 256 << 10

// inputError is the error for a malformed line of the input.
type inputError struct {
	line    int64 // from 1
	problem string
}

func (e *inputError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.problem) }

// flightReader reads flights from CSV with the columns of Header and without quotes:
// 2001-01-31 23:59,-4,2176,LAS,PHL.
type flightReader struct {
	in   *bufio.Reader
	line int64 // number of the last line that was read

	// The last date is cached, because the flights of a day follow each other.
	date    [len(time.DateOnly)]byte
	dateIs  Minute // first minute of date
	hasDate bool
}

// newFlightReader returns a reader for the lines after the header, which it checks.
func newFlightReader(r io.Reader) (*flightReader, error) {
	reader := &flightReader{in: bufio.NewReaderSize(r, bufferBytes)}
	line, err := reader.nextLine()
	if err != nil && err != io.EOF {
		return nil, err
	}
	if string(line) != Header {
		return nil, &inputError{1, fmt.Sprintf("the header is %.80q, want %q", line, Header)}
	}
	return reader, nil
}

// read returns the next flight, or io.EOF.
func (r *flightReader) read() (Flight, error) {
	line, err := r.nextLine()
	if err != nil {
		return Flight{}, err
	}
	f, problem := r.parse(line)
	if problem != "" {
		return Flight{}, &inputError{r.line, problem}
	}
	return f, nil
}

// nextLine returns the next line without its line feed. The line is valid until the next call.
// The last line of the input needs no line feed.
func (r *flightReader) nextLine() ([]byte, error) {
	r.line++
	line, err := r.in.ReadSlice('\n')
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &inputError{r.line, fmt.Sprintf("longer than %d bytes", bufferBytes)}
	case err == io.EOF && len(line) > 0:
		return line, nil
	}
	return nil, err
}

// parse returns the flight of a line, or a description of the problem if the line is malformed.
func (r *flightReader) parse(line []byte) (f Flight, problem string) {
	var fields [5][]byte
	for i := range fields {
		var found bool
		if fields[i], line, found = bytes.Cut(line, []byte{','}); found == (i == len(fields)-1) {
			return f, "the number of fields is not 5"
		}
	}
	var ok bool
	if f.Minute, ok = r.parseMinute(fields[0]); !ok {
		return f, fmt.Sprintf("date %.40q does not have the form 2001-01-31 23:59", fields[0])
	}
	delay, ok := parseNumber(fields[1], math.MinInt16, math.MaxInt16)
	if !ok {
		return f, fmt.Sprintf("delay %.40q is not a signed 16-bit number of minutes", fields[1])
	}
	distance, ok := parseNumber(fields[2], 0, math.MaxUint16)
	if !ok {
		return f, fmt.Sprintf("distance %.40q is not an unsigned 16-bit number of miles", fields[2])
	}
	if f.Origin, ok = parseAirport(fields[3]); !ok {
		return f, fmt.Sprintf("origin %.40q is not three capital letters", fields[3])
	}
	if f.Destination, ok = parseAirport(fields[4]); !ok {
		return f, fmt.Sprintf("destination %.40q is not three capital letters", fields[4])
	}
	f.Delay, f.Distance = int16(delay), uint16(distance)
	return f, ""
}

func (r *flightReader) parseMinute(b []byte) (Minute, bool) {
	if len(b) != len("2001-01-31 23:59") || b[10] != ' ' || b[13] != ':' {
		return 0, false
	}
	if !r.hasDate || !bytes.Equal(b[:10], r.date[:]) {
		day, err := time.Parse(time.DateOnly, string(b[:10]))
		if err != nil || day.Year() < 1970 || day.Year() > 2999 {
			return 0, false
		}
		copy(r.date[:], b)
		r.dateIs, r.hasDate = Minute(day.Unix()/60), true
	}
	hour, ok1 := parsePair(b[11], b[12])
	minutes, ok2 := parsePair(b[14], b[15])
	return r.dateIs + hour*60 + minutes, ok1 && ok2 && hour < 24 && minutes < 60
}

// parsePair parses a number of two digits.
func parsePair(tens, ones byte) (Minute, bool) {
	tens, ones = tens-'0', ones-'0'
	return Minute(tens)*10 + Minute(ones), tens < 10 && ones < 10
}

// parseNumber parses a decimal number from low to high, both inclusive.
func parseNumber(b []byte, low, high int) (n int, ok bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if len(digits) < len(b) {
		n = -n
	}
	return n, low <= n && n <= high
}

func parseAirport(b []byte) (Airport, bool) {
	if len(b) != 3 {
		return 0, false
	}
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return 0, false
		}
	}
	return NewAirport([3]byte(b)), true
}
