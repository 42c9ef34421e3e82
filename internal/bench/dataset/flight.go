package dataset

import (
	"fmt"
	"time"
)

// Flight is one record of the input. It holds no pointers, so that the garbage
// collector has nothing to scan in batches of them.
type Flight struct {
	Minute      Minute
	Delay       int16  // minutes, negative if early
	Distance    uint16 // miles
	Origin      Airport
	Destination Airport
}

// String returns the flight as a line of the input.
func (f Flight) String() string {
	date := time.Unix(f.Minute.EventTime(), 0).UTC().Format("2006-01-02 15:04")
	return fmt.Sprintf("%s,%d,%d,%v,%v", date, f.Delay, f.Distance, f.Origin, f.Destination)
}

// Airport is the three letters of an airport as a number of three digits to the
// base of 26: numbers are in the order of the names.
type Airport uint16

// NewAirport returns the airport with a name of three capital letters.
func NewAirport(letters [3]byte) (a Airport) {
	for _, letter := range letters {
		a = a*26 + Airport(letter-'A')
	}
	return a
}

// String returns the three letters.
func (a Airport) String() string { return string(a.Append(nil)) }

// Append adds the three letters.
func (a Airport) Append(dst []byte) []byte {
	return append(dst, 'A'+byte(a/26/26), 'A'+byte(a/26%26), 'A'+byte(a%26))
}

// Route is a pair of airports: the origin in the top half, and the destination.
type Route uint32

// Route returns the route of the flight.
func (f Flight) Route() Route { return Route(f.Origin)<<16 | Route(f.Destination) }

// Origin returns the airport that the flights leave.
func (r Route) Origin() Airport { return Airport(r >> 16) }

// Destination returns the airport where they arrive.
func (r Route) Destination() Airport { return Airport(r) }

// Minute is a date and time: minutes since 1970 began, in the local time of the origin. 32 bits
// last until the year 6053.
type Minute int32

// Units of time.
const (
	SecondsPerMinute = 60
	MinutesPerHour   = 60
	MinutesPerDay    = 24 * MinutesPerHour
)

// EventTime returns m in the unit of the stream's event times: seconds since 1970.
func (m Minute) EventTime() int64 { return int64(m) * SecondsPerMinute }

// TimeOf returns the minute of an event time.
func TimeOf(eventTime int64) Minute { return Minute(eventTime / SecondsPerMinute) }

// Day returns the number of m's day since 1970 began.
func (m Minute) Day() Day { return Day(m / MinutesPerDay) }

// AppendText adds m as in 2001-01-31T23:59.
func (m Minute) AppendText(dst []byte) []byte {
	return time.Unix(m.EventTime(), 0).UTC().AppendFormat(dst, "2006-01-02T15:04")
}

// Day is a date: days since 1970 began.
type Day int32

// LastMinute returns the last minute of the day.
func (d Day) LastMinute() Minute { return Minute(d)*MinutesPerDay + MinutesPerDay - 1 }

// AppendText adds d as in 2001-01-31.
func (d Day) AppendText(dst []byte) []byte {
	return time.Unix((Minute(d)*MinutesPerDay).EventTime(), 0).UTC().AppendFormat(dst, time.DateOnly)
}
