package main

import (
	"time"

	"github.com/weirstate/weir/state/codec"
)

// flight is one record of the input. It holds no pointers, so that the garbage
// collector has nothing to scan in three million of them.
type flight struct {
	minute      minute
	delay       int16  // minutes, negative if early
	distance    uint16 // miles
	origin      airport
	destination airport
}

// flightCodec makes a whole flight a key, in 16 bytes. Keys are ordered by
// their first fields, which differ most.
var flightCodec = codec.Struct("flight", 1,
	codec.Field("minute", func(f *flight) *minute { return &f.minute }, codec.Int[minute]()),
	codec.Field("delay", func(f *flight) *int16 { return &f.delay }, codec.Int[int16]()),
	codec.Field("distance", func(f *flight) *uint16 { return &f.distance }, codec.Int[uint16]()),
	codec.Field("origin", func(f *flight) *airport { return &f.origin }, codec.Int[airport]()),
	codec.Field("destination", func(f *flight) *airport { return &f.destination }, codec.Int[airport]()),
)

// airport is the three letters of an airport, the first in bits 16 to 23: its
// numbers are in the order of the names.
type airport uint32

func newAirport(letters [3]byte) airport {
	return airport(letters[0])<<16 | airport(letters[1])<<8 | airport(letters[2])
}

func (a airport) String() string { return string([]byte{byte(a >> 16), byte(a >> 8), byte(a)}) }

// minute is a date and time: minutes since 1970 began, in whatever zone. 32 bits
// last until the year 6053.
type minute int32

const minutesPerDay = 24 * 60

// midnight is the first minute of the day after m.
func (m minute) midnight() minute { return (m/minutesPerDay + 1) * minutesPerDay }

// date is the day of m, as in 2001-01-31.
func (m minute) date() string { return time.Unix(int64(m)*60, 0).UTC().Format(time.DateOnly) }
