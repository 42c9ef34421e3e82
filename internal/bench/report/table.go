package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/weirstate/weir/internal/bench/harness"
)

// Detail chooses the columns of a table.
type Detail int

const (
	// Brief has one row for each backend and storage, and the columns that compare them.
	Brief Detail = iota
	// Runs adds the column run, for tables with several rows for a backend and storage.
	Runs
	// Wide has all columns.
	Wide
)

// Table writes a row for each measurement, as soon as its run has ended. Therefore the widths
// of the columns are fixed: text/tabwriter needs all rows first. A cell longer than its column
// shifts the rest of its row.
type Table struct {
	out     io.Writer
	columns []column
	hash    []harness.Measurement // the rows of the hash backend, for the column "against hash"
}

// row is a measurement and the ratio of its rate to that of the hash backend.
type row struct {
	harness.Measurement
	againstHash string
}

// column is a column of the table.
type column struct {
	title string
	width int    // negative: aligned on the left
	from  Detail // the lowest detail that has the column
	cell  func(row) string
}

// missing is the cell for a figure that a row does not have.
const missing = "-"

// columns lists all columns; the most important ones are first.
var columns = []column{
	{"backend", -15, Brief, func(r row) string { return r.Plan.Backend }},
	{"storage", -7, Brief, func(r row) string { return r.Plan.Storage }},
	{"run", -13, Runs, func(r row) string { return string(r.Plan.Kind) }},
	{"records/s", 9, Brief, func(r row) string { return humanize.Comma(int64(r.Rate())) }},
	{"against hash", 12, Brief, func(r row) string { return r.againstHash }},
	{"max pause", 10, Brief, func(r row) string { return pause(r, 100, 1) }},
	{"checkpoint size", 15, Brief, func(r row) string { return bytesOrMissing(uint64(r.CheckpointBytes())) }},
	{"restored in", 11, Brief, func(r row) string { return millisecondsOrMissing(r.SlowestRestore()) }},
	{"digest", -16, Brief, func(r row) string { return r.Result.Digest() }},
	{"time", 9, Wide, func(r row) string { return fmt.Sprintf("%.2f s", r.Took.Seconds()) }},
	{"CPU", 9, Wide, func(r row) string { return fmt.Sprintf("%.2f s", r.CPU.Seconds()) }},
	{"checkpoints", 11, Wide, func(r row) string { return strconv.Itoa(len(r.Checkpoints)) }},
	{"written in", 10, Wide, func(r row) string { return millisecondsOrMissing(r.CheckpointTime()) }},
	{"pause p50", 10, Wide, func(r row) string { return pause(r, 50, 1) }},
	{"pause p99", 10, Wide, func(r row) string { return pause(r, 99, minPausesForP99) }},
	{"replayed", 10, Wide, replayed},
	{"peak RSS", 11, Wide, func(r row) string { return bytesOrMissing(r.PeakRSS) }},
}

// NewTable returns a table and writes its titles.
func NewTable(out io.Writer, detail Detail) (*Table, error) {
	t := &Table{out: out}
	for _, c := range columns {
		if c.from <= detail {
			t.columns = append(t.columns, c)
		}
	}
	return t, t.write(func(c column) string { return c.title })
}

// Add writes the row of a measurement.
func (t *Table) Add(m harness.Measurement) error {
	if m.Plan.Backend == "hash" {
		t.hash = append(t.hash, m)
	}
	r := row{m, t.againstHash(m)}
	return t.write(func(c column) string { return c.cell(r) })
}

// againstHash returns the rate of m divided by the rate of the hash backend, for the same kind of
// run and the same storage.
func (t *Table) againstHash(m harness.Measurement) string {
	for _, hash := range t.hash {
		if hash.Plan.Storage == m.Plan.Storage && hash.Plan.Kind == m.Plan.Kind {
			return fmt.Sprintf("%.2f", m.Rate()/hash.Rate())
		}
	}
	return missing
}

func (t *Table) write(cell func(column) string) error {
	var line strings.Builder
	for _, c := range t.columns {
		fmt.Fprintf(&line, "%*s  ", c.width, cell(c))
	}
	_, err := fmt.Fprintln(t.out, strings.TrimRight(line.String(), " "))
	return err
}

// minPausesForP99 is the smallest number of pauses for which the 99th percentile by nearest rank
// is not the longest pause.
const minPausesForP99 = 100

// pause returns a percentile of the pauses, or missing if there are fewer pauses than atLeast.
func pause(r row, percent, atLeast int) string {
	p, ok := r.Pause(percent, atLeast)
	if !ok {
		return missing
	}
	return fmt.Sprintf("%.2f ms", milliseconds(p))
}

func replayed(r row) string {
	if r.Plan.Starts() == 1 {
		return missing
	}
	return humanize.Comma(r.Replayed)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// millisecondsOrMissing returns d in milliseconds, or missing if d is 0.
func millisecondsOrMissing(d time.Duration) string {
	if d == 0 {
		return missing
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

// bytesOrMissing returns n with a binary unit, or missing if n is 0.
func bytesOrMissing(n uint64) string {
	if n == 0 {
		return missing
	}
	return humanize.IBytes(n)
}
