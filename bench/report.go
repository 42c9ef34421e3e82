package main

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstate/weir/state"
)

// dayReport is what the job says of one origin when a day is over.
type dayReport struct {
	day     minute
	origin  airport
	flights int
	median  int16 // minutes of delay
	lateRun int   // late flights in a row
}

func (r dayReport) String() string {
	return fmt.Sprintf("%s %v: %d flights, median delay %d min, %d late in a row at most",
		r.day.date(), r.origin, r.flights, r.median, r.lateRun)
}

// dayReports is where the job sends its reports: a part of the world outside,
// which a failure does not touch.
type dayReports struct{ all []dayReport }

func (d *dayReports) add(r dayReport) { d.all = append(d.all, r) }

// truncate takes back what was sent after the first n reports: the job is about
// to send it again.
func (d *dayReports) truncate(n int) { d.all = d.all[:n] }

// originReport is what the job says of one origin in the end.
type originReport struct {
	origin       airport
	flights      int64
	worst        int16   // minutes of delay
	mean         float64 // minutes of delay
	destinations []state.Entry[airport, int64]
}

func (r originReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %d flights, worst delay %d min, mean %.6f min, to", r.origin, r.flights, r.worst, r.mean)
	for _, to := range r.destinations {
		fmt.Fprintf(&b, " %v %d", to.Key, to.Value)
	}
	return b.String()
}

// result is what a run of the job comes to.
type result struct {
	days    []dayReport
	origins []originReport
}

// distinct is the number of flights that were counted.
func (r result) distinct() (n int64) {
	for _, o := range r.origins {
		n += o.flights
	}
	return n
}

// digest is the first 8 bytes of SHA-256 over all reports as lines of text,
// sorted: whatever their order, the same reports give the same digest.
func (r result) digest() string {
	lines := make([]string, 0, len(r.days)+len(r.origins))
	for _, day := range r.days {
		lines = append(lines, day.String())
	}
	for _, origin := range r.origins {
		lines = append(lines, origin.String())
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return fmt.Sprintf("%x", sum[:8])
}
