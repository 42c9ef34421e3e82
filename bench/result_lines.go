package main

import (
	"slices"
	"strconv"

	"github.com/weirstate/weir/state"
)

// The results of the job are lines of text, each of which says what it is with
// its first word:
//
//	total ORD 158962 flights, worst 1017 min, mean 9.123456 min, to ABE 521 ABQ 1203 …
//	day 2001-01-31 ORD 905 flights, delays -21 -4 1 14 360 min (least, quartiles, worst)
//	hour 2001-01-31T23:00 ORD 12 flights, sum 96, worst 45 min
//	session 2001-01-31T06:10 to 2001-01-31T22:05 ORD-LGA 25 flights
//	late hour 2001-01-31T23:59
//
// The last must not be: flights are never later than the watermark allows for.

// totals are what is known of an origin in the end.
type totals struct {
	origin       airport
	flights      int64
	worst        int16   // minutes
	mean         float64 // minutes
	destinations []state.Entry[airport, int64]
}

func (t totals) append(dst []byte) []byte {
	dst = t.origin.append(append(dst, "total "...))
	dst = strconv.AppendInt(append(dst, ' '), t.flights, 10)
	dst = strconv.AppendInt(append(dst, " flights, worst "...), int64(t.worst), 10)
	dst = strconv.AppendFloat(append(dst, " min, mean "...), t.mean, 'f', 6, 64)
	dst = append(dst, " min, to"...)
	for _, to := range t.destinations {
		dst = to.Key.append(append(dst, ' '))
		dst = strconv.AppendInt(append(dst, ' '), to.Value, 10)
	}
	return dst
}

// appendDay takes the delays of a day, at least one, in any order.
func appendDay(dst []byte, d day, origin airport, delays []int16) []byte {
	sorted := slices.Sorted(slices.Values(delays))
	dst = d.appendText(append(dst, "day "...))
	dst = origin.append(append(dst, ' '))
	dst = strconv.AppendInt(append(dst, ' '), int64(len(sorted)), 10)
	dst = append(dst, " flights, delays"...)
	for quarter := range 5 {
		delay := sorted[(len(sorted)-1)*quarter/4]
		dst = strconv.AppendInt(append(dst, ' '), int64(delay), 10)
	}
	return append(dst, " min"...)
}

func appendHour(dst []byte, hour minute, origin airport, p punctuality) []byte {
	dst = hour.appendText(append(dst, "hour "...))
	dst = origin.append(append(dst, ' '))
	dst = strconv.AppendInt(append(dst, ' '), p.flights, 10)
	dst = strconv.AppendInt(append(dst, " flights, sum "...), p.sum, 10)
	dst = strconv.AppendInt(append(dst, ", worst "...), int64(p.worst), 10)
	return append(dst, " min"...)
}

func appendSession(dst []byte, first, last minute, r route, flights int64) []byte {
	dst = first.appendText(append(dst, "session "...))
	dst = last.appendText(append(dst, " to "...))
	dst = r.origin().append(append(dst, ' '))
	dst = r.destination().append(append(dst, '-'))
	dst = strconv.AppendInt(append(dst, ' '), flights, 10)
	return append(dst, " flights"...)
}

// appendLate is about a flight that was late for one of its windows.
func appendLate(dst []byte, of string, time int64) []byte {
	dst = append(append(dst, "late "...), of...)
	return timeOf(time).appendText(append(dst, ' '))
}
