package main

import (
	"fmt"
	"time"
)

// flight is one record of the input. It holds no pointers, so that the garbage
// collector has nothing to scan in batches of them.
type flight struct {
	minute      minute
	delay       int16  // minutes, negative if early
	distance    uint16 // miles
	origin      airport
	destination airport
}

// String returns the flight as a line of the input.
func (f flight) String() string {
	date := time.Unix(f.minute.eventTime(), 0).UTC().Format("2006-01-02 15:04")
	return fmt.Sprintf("%s,%d,%d,%v,%v", date, f.delay, f.distance, f.origin, f.destination)
}

// airport is the three letters of an airport as a number of three digits to the
// base of 26: numbers are in the order of the names.
type airport uint16

func newAirport(letters [3]byte) (a airport) {
	for _, letter := range letters {
		a = a*26 + airport(letter-'A')
	}
	return a
}

func (a airport) String() string { return string(a.append(nil)) }

func (a airport) append(dst []byte) []byte {
	return append(dst, 'A'+byte(a/26/26), 'A'+byte(a/26%26), 'A'+byte(a%26))
}

// route is where flights go from (the top half) and to.
type route uint32

func (f flight) route() route { return route(f.origin)<<16 | route(f.destination) }

func (r route) origin() airport      { return airport(r >> 16) }
func (r route) destination() airport { return airport(r) }

// minute is a date and time: minutes since 1970 began, in whatever zone. 32 bits
// last until the year 6053.
type minute int32

const (
	secondsPerMinute = 60
	minutesPerHour   = 60
	minutesPerDay    = 24 * minutesPerHour
)

// eventTime is m in the unit of the stream's event times: seconds since 1970.
func (m minute) eventTime() int64 { return int64(m) * secondsPerMinute }

// timeOf is the minute of an event time.
func timeOf(eventTime int64) minute { return minute(eventTime / secondsPerMinute) }

// day is the number of m's day since 1970 began.
func (m minute) day() day { return day(m / minutesPerDay) }

// appendText adds m as in 2001-01-31T23:59.
func (m minute) appendText(dst []byte) []byte {
	return time.Unix(m.eventTime(), 0).UTC().AppendFormat(dst, "2006-01-02T15:04")
}

// day is a date: days since 1970 began.
type day int32

// lastMinute is the last one of the day.
func (d day) lastMinute() minute { return minute(d)*minutesPerDay + minutesPerDay - 1 }

// appendText adds d as in 2001-01-31.
func (d day) appendText(dst []byte) []byte {
	return time.Unix((minute(d)*minutesPerDay).eventTime(), 0).UTC().AppendFormat(dst, time.DateOnly)
}
