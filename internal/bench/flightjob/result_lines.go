package flightjob

import (
	"slices"
	"strconv"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/state"
)

// The results of the job are lines of text. The first word is the kind of a line:
//
//	total ORD 158962 flights, worst 1017 min, mean 9.123456 min, to ABE 521 ABQ 1203 …
//	day 2001-01-31 ORD 905 flights, delays -21 -4 1 14 360 min (least, quartiles, worst)
//	hour 2001-01-31T23:00 ORD 12 flights, sum 96, worst 45 min
//	session 2001-01-31T06:10 to 2001-01-31T22:05 ORD-LGA 25 flights
//	late hour 2001-01-31T23:59
//
// A line "late" shows an error: the watermark allows for the disorder of all flights.

// totals holds the figures of an origin at the end of the input.
type totals struct {
	origin       dataset.Airport
	flights      int64
	worst        int16   // minutes
	mean         float64 // minutes
	destinations []state.Entry[dataset.Airport, int64]
}

func (t totals) append(dst []byte) []byte {
	dst = t.origin.Append(append(dst, "total "...))
	dst = strconv.AppendInt(append(dst, ' '), t.flights, 10)
	dst = strconv.AppendInt(append(dst, " flights, worst "...), int64(t.worst), 10)
	dst = strconv.AppendFloat(append(dst, " min, mean "...), t.mean, 'f', 6, 64)
	dst = append(dst, " min, to"...)
	for _, to := range t.destinations {
		dst = to.Key.Append(append(dst, ' '))
		dst = strconv.AppendInt(append(dst, ' '), to.Value, 10)
	}
	return dst
}

// appendDay appends the line of a day. The delays may be in any order; there is at least one.
func appendDay(dst []byte, d dataset.Day, origin dataset.Airport, delays []int16) []byte {
	sorted := slices.Sorted(slices.Values(delays))
	dst = d.AppendText(append(dst, "day "...))
	dst = origin.Append(append(dst, ' '))
	dst = strconv.AppendInt(append(dst, ' '), int64(len(sorted)), 10)
	dst = append(dst, " flights, delays"...)
	for quarter := range 5 {
		delay := sorted[(len(sorted)-1)*quarter/4]
		dst = strconv.AppendInt(append(dst, ' '), int64(delay), 10)
	}
	return append(dst, " min"...)
}

func appendHour(dst []byte, hour dataset.Minute, origin dataset.Airport, p punctuality) []byte {
	dst = hour.AppendText(append(dst, "hour "...))
	dst = origin.Append(append(dst, ' '))
	dst = strconv.AppendInt(append(dst, ' '), p.flights, 10)
	dst = strconv.AppendInt(append(dst, " flights, sum "...), p.sum, 10)
	dst = strconv.AppendInt(append(dst, ", worst "...), int64(p.worst), 10)
	return append(dst, " min"...)
}

func appendSession(dst []byte, first, last dataset.Minute, r dataset.Route, flights int64) []byte {
	dst = first.AppendText(append(dst, "session "...))
	dst = last.AppendText(append(dst, " to "...))
	dst = r.Origin().Append(append(dst, ' '))
	dst = r.Destination().Append(append(dst, '-'))
	dst = strconv.AppendInt(append(dst, ' '), flights, 10)
	return append(dst, " flights"...)
}

// appendLate appends the line of a flight that was late for a window. kind is hour or session.
func appendLate(dst []byte, kind string, time int64) []byte {
	dst = append(append(dst, "late "...), kind...)
	return dataset.TimeOf(time).AppendText(append(dst, ' '))
}
