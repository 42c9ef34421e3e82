package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// column is a column of the table.
type column struct {
	title string
	left  bool // aligned; numbers are not
	cell  func(measurement) string
}

var columns = []column{
	{"backend", true, func(m measurement) string { return m.plan.backend.name }},
	{"run", true, func(m measurement) string { return m.plan.String() }},
	{"records", false, func(m measurement) string { return grouped(m.plan.flights) }},
	{"replayed", false, func(m measurement) string { return grouped(m.replayed) }},
	{"time", false, func(m measurement) string { return seconds(m.took) }},
	{"records/s", false, func(m measurement) string { return rate(m.plan.flights, m.took) }},
	{"snapshots", false, func(m measurement) string { return strconv.Itoa(m.snapshots) }},
	{"pause p50", false, func(m measurement) string { return pause(m.pauses, 50, 1) }},
	{"p99", false, func(m measurement) string { return pause(m.pauses, 99, 100) }},
	{"max", false, func(m measurement) string { return pause(m.pauses, 100, 1) }},
	{"last snapshot", false, func(m measurement) string {
		return ofLast(m, func(s *jobSnapshot) string { bytes, _ := s.size(); return mebibytes(uint64(bytes)) })
	}},
	{"rows", false, func(m measurement) string {
		return ofLast(m, func(s *jobSnapshot) string { _, rows := s.size(); return grouped(rows) })
	}},
	{"written in", false, func(m measurement) string {
		return ofLast(m, func(s *jobSnapshot) string { return seconds(s.took) })
	}},
	{"restored in", false, func(m measurement) string { return ofLast(m, func(*jobSnapshot) string { return seconds(m.restored) }) }},
	{"peak heap", false, func(m measurement) string { return mebibytes(m.peakHeap) }},
	{"digest", true, func(m measurement) string { return m.digest }},
}

// writeTable writes a row for each measurement.
func writeTable(out io.Writer, measurements []measurement) error {
	lines := make([]strings.Builder, 1+len(measurements))
	for _, c := range columns {
		cells := []string{c.title}
		for _, m := range measurements {
			cells = append(cells, c.cell(m))
		}
		width := len(slices.MaxFunc(cells, func(a, b string) int { return len(a) - len(b) }))
		if c.left {
			width = -width
		}
		for i, cell := range cells {
			fmt.Fprintf(&lines[i], "%*s  ", width, cell)
		}
	}
	for i := range lines {
		if _, err := fmt.Fprintln(out, strings.TrimRight(lines[i].String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// ofLast is a cell about the last snapshot.
func ofLast(m measurement, cell func(*jobSnapshot) string) string {
	if m.last == nil {
		return "-"
	}
	return cell(m.last)
}

// pause is a percentile, by the nearest rank, if there are enough to tell.
func pause(pauses []time.Duration, percent, enough int) string {
	if len(pauses) < enough {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(pauses))
	rank := (len(sorted)*percent + 99) / 100
	return fmt.Sprintf("%.2f ms", sorted[max(rank, 1)-1].Seconds()*1e3)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mebibytes(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func rate(n int64, d time.Duration) string {
	return grouped(int64(float64(n) / max(d, 1).Seconds()))
}

// grouped writes a number with a comma before every three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
