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
	// Runs adds the column run: there are several rows for a backend and storage.
	Runs
	// Wide adds all columns.
	Wide
)

// Table writes the row of each measurement when its run ends. The widths of the columns are
// therefore fixed: text/tabwriter would have to see all rows first. A cell longer than its
// column shifts the rest of its row.
type Table struct {
	out     io.Writer
	columns []column
	hash    []harness.Measurement // of the hash backend, to compare with
}

// row is a measurement and the ratio of its rate to that of the hash backend.
type row struct {
	harness.Measurement
	againstHash string
}

// column is a column of the table.
type column struct {
	title string
	width int    // negative if aligned on the left
	from  Detail // the least detail that shows it
	cell  func(row) string
}

// missing is the cell of a figure that a row does not have.
const missing = "-"

// columns are in the order in which a reader needs them.
var columns = []column{
	{"backend", -15, Brief, func(r row) string { return r.Plan.Backend }},
	{"storage", -7, Brief, func(r row) string { return r.Plan.Storage }},
	{"run", -13, Runs, func(r row) string { return string(r.Plan.Kind) }},
	{"records/s", 9, Brief, func(r row) string { return humanize.Comma(int64(r.Rate())) }},
	{"against hash", 12, Brief, func(r row) string { return r.againstHash }},
	{"max pause", 10, Brief, func(r row) string { return pause(r, 100, 1) }},
	{"checkpoint size", 15, Brief, func(r row) string { return bytesOr(uint64(r.CheckpointBytes())) }},
	{"restored in", 11, Brief, func(r row) string { return millisecondsOr(r.SlowestRestore()) }},
	{"digest", -16, Brief, func(r row) string { return r.Result.Digest() }},
	{"time", 9, Wide, func(r row) string { return fmt.Sprintf("%.2f s", r.Took.Seconds()) }},
	{"CPU", 9, Wide, func(r row) string { return fmt.Sprintf("%.2f s", r.CPU.Seconds()) }},
	{"checkpoints", 11, Wide, func(r row) string { return strconv.Itoa(len(r.Checkpoints)) }},
	{"written in", 10, Wide, func(r row) string { return millisecondsOr(r.CheckpointTime()) }},
	{"pause p50", 10, Wide, func(r row) string { return pause(r, 50, 1) }},
	{"pause p99", 10, Wide, func(r row) string { return pause(r, 99, enoughForP99) }},
	{"replayed", 10, Wide, replayed},
	{"peak RSS", 11, Wide, func(r row) string { return bytesOr(r.PeakRSS) }},
}

// NewTable writes the titles of a table.
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

// againstHash compares a measurement with the one of the hash backend in the same kind of
// run on the same storage.
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

// enoughForP99 is the number of pauses from which on the 99th percentile differs from the
// longest pause.
const enoughForP99 = 100

// pause returns a percentile of the pauses, if there are enough of them.
func pause(r row, percent, enough int) string {
	p, ok := r.Pause(percent, enough)
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

// millisecondsOr returns missing for zero.
func millisecondsOr(d time.Duration) string {
	if d == 0 {
		return missing
	}
	return fmt.Sprintf("%.1f ms", milliseconds(d))
}

// bytesOr returns missing for zero.
func bytesOr(n uint64) string {
	if n == 0 {
		return missing
	}
	return humanize.IBytes(n)
}
