package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstate/weir/internal/bench/harness"
)

// column is a column of the table.
type column struct {
	title string
	left  bool // aligned; numbers are not
	cell  func(harness.Measurement) string
}

// none stands where there is nothing to say.
const none = "-"

var columns = []column{
	{"backend", true, func(m harness.Measurement) string { return m.Plan.Backend }},
	{"storage", true, func(m harness.Measurement) string { return m.Plan.Storage }},
	{"run", true, func(m harness.Measurement) string { return string(m.Plan.Kind) }},
	{"time", false, func(m harness.Measurement) string { return fmt.Sprintf("%.2f s", m.Took.Seconds()) }},
	{"CPU", false, func(m harness.Measurement) string { return fmt.Sprintf("%.2f s", m.CPU.Seconds()) }},
	{"records/s", false, func(m harness.Measurement) string { return Grouped(int64(m.Rate())) }},
	{"checkpoints", false, func(m harness.Measurement) string { return strconv.Itoa(len(m.Checkpoints)) }},
	{"size", false, func(m harness.Measurement) string { return bytesOr(uint64(m.CheckpointBytes())) }},
	{"written in", false, func(m harness.Measurement) string { return millisecondsOr(m.CheckpointTime()) }},
	{"pause p50", false, func(m harness.Measurement) string { return pause(m, 50, 1) }},
	{"p99", false, func(m harness.Measurement) string { return pause(m, 99, enoughForP99) }},
	{"max", false, func(m harness.Measurement) string { return pause(m, 100, 1) }},
	{"restored in", false, func(m harness.Measurement) string { return millisecondsOr(m.SlowestRestore()) }},
	{"replayed", false, func(m harness.Measurement) string {
		if m.Plan.Starts() == 1 {
			return none
		}
		return Grouped(m.Replayed)
	}},
	{"peak RSS", false, func(m harness.Measurement) string { return bytesOr(m.PeakRSS) }},
	{"digest", true, func(m harness.Measurement) string { return m.Result.Digest() }},
}

// writeTable writes a row for each measurement.
func WriteTable(out io.Writer, measurements []harness.Measurement) error {
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

// enoughForP99 is how many pauses it takes to tell the 99th percentile from the
// longest one.
const enoughForP99 = 100

// pause is a percentile of the pauses, if there are enough to tell.
func pause(m harness.Measurement, percent, enough int) string {
	p, ok := m.Pause(percent, enough)
	if !ok {
		return none
	}
	return fmt.Sprintf("%.2f ms", milliseconds(p))
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// millisecondsOr and bytesOr write none for zero.
func millisecondsOr(d time.Duration) string {
	if d == 0 {
		return none
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

func bytesOr(n uint64) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
}

// grouped writes a number with a comma before every three digits.
func Grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
