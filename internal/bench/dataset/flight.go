package dataset

import (
	"fmt"
	"time"
)

// Flight is one record of the input. It has no pointers, so the garbage collector need not scan
// slices of flights.
type Flight struct {
	Minute      Minute  // time of the departure: the event time
	Delay       int16   // minutes, negative if early
	Distance    uint16  // miles
	Origin      Airport // where the flight departs
	Destination Airport // where the flight arrives
}

// String returns the flight as a line of the input.
func (f Flight) String() string {
	date := time.Unix(f.Minute.EventTime(), 0).UTC().Format("2006-01-02 15:04")
	return fmt.Sprintf("%s,%d,%d,%v,%v", date, f.Delay, f.Distance, f.Origin, f.Destination)
}

// Airport is the code of an airport: three letters as a number of three digits in base 26. The
// numbers are in the order of the codes.
type Airport uint16

// NewAirport returns the airport for a code of three capital letters.
func NewAirport(letters [3]byte) (a Airport) {
	for _, letter := range letters {
		a = a*26 + Airport(letter-'A')
	}
	return a
}

// String returns the three letters.
func (a Airport) String() string { return string(a.Append(nil)) }

// Append appends the three letters to dst.
func (a Airport) Append(dst []byte) []byte {
	return append(dst, 'A'+byte(a/26/26), 'A'+byte(a/26%26), 'A'+byte(a%26))
}

// Route is a pair of airports: the origin in the upper 16 bits, the destination in the lower.
type Route uint32

// Route returns the route of the flight.
func (f Flight) Route() Route { return Route(f.Origin)<<16 | Route(f.Destination) }

// Origin returns the airport where the flights depart.
func (r Route) Origin() Airport { return Airport(r >> 16) }

// Destination returns the airport where the flights arrive.
func (r Route) Destination() Airport { return Airport(r) }

// Minute is a date and time in minutes since the beginning of 1970, in the local time of the
// origin. 32 bits last until the year 6053.
type Minute int32

// Units of time.
const (
	SecondsPerMinute = 60
	MinutesPerHour   = 60
	MinutesPerDay    = 24 * MinutesPerHour
)

// EventTime returns m as an event time of the stream: seconds since the beginning of 1970.
func (m Minute) EventTime() int64 { return int64(m) * SecondsPerMinute }

// TimeOf returns the minute that contains an event time.
func TimeOf(eventTime int64) Minute { return Minute(eventTime / SecondsPerMinute) }

// Day returns the day of m.
func (m Minute) Day() Day { return Day(m / MinutesPerDay) }

// AppendText appends m to dst in the form 2001-01-31T23:59.
func (m Minute) AppendText(dst []byte) []byte {
	return time.Unix(m.EventTime(), 0).UTC().AppendFormat(dst, "2006-01-02T15:04")
}

// Day is a date in days since the beginning of 1970.
type Day int32

// LastMinute returns the last minute of the day.
func (d Day) LastMinute() Minute { return Minute(d)*MinutesPerDay + MinutesPerDay - 1 }

// AppendText appends d to dst in the form 2001-01-31.
func (d Day) AppendText(dst []byte) []byte {
	return time.Unix((Minute(d)*MinutesPerDay).EventTime(), 0).UTC().AppendFormat(dst, time.DateOnly)
}
