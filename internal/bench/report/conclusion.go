package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/results"
)

// ErrDigests is returned when the result of a run differs from that of the first run.
var ErrDigests = errors.New("the digests differ: a backend or a restore has changed the result")

// WriteRemarks writes a line for each measurement with failures, about the restored checkpoints,
// and for each measurement with checkpoints only, about their cost.
func WriteRemarks(out io.Writer, measurements []harness.Measurement) error {
	for _, m := range measurements {
		for _, line := range remarks(m, measurements) {
			if _, err := fmt.Fprintf(out, "%s, %s: %s.\n", m.Plan.Backend, m.Plan.Storage, line); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// Conclude compares the results of all measurements and writes a line about them. It returns
// ErrDigests if two results differ.
func Conclude(out io.Writer, measurements []harness.Measurement) error {
	if len(measurements) == 0 {
		return errors.New("there are no measurements")
	}
	first := measurements[0]
	for _, m := range measurements {
		if m.Result.Sum != first.Result.Sum {
			return fmt.Errorf("%w: %s for %v, %s for %v", ErrDigests, m.Result.Digest(), m.Plan, first.Result.Digest(), first.Plan)
		}
	}
	_, err := fmt.Fprintf(out, "The same result %d times: %s.\n", len(measurements), describe(first.Result))
	return err
}

// remarks returns the remarks about m, one of the measurements.
func remarks(m harness.Measurement, all []harness.Measurement) (lines []string) {
	switch m.Plan.Kind {
	case harness.KilledTwice:
		return []string{"the process was killed (SIGKILL) twice" + recoveries(m)}
	case harness.FailedTwice:
		return []string{"the subtasks failed twice; the process was not killed, because checkpoints in memory would be lost with it" + recoveries(m)}
	case harness.Checkpointed:
		for _, without := range all {
			if without.Plan.Kind == harness.Uninterrupted && without.Plan.Backend == m.Plan.Backend {
				lines = append(lines, costs(m, without))
			}
		}
	}
	return lines
}

func recoveries(m harness.Measurement) string {
	var b strings.Builder
	for _, from := range m.Recoveries() {
		fmt.Fprintf(&b, "; continued from checkpoint %d at record %s with %d subtasks",
			from.Checkpoint, humanize.Comma(from.Offset), from.Parallelism)
	}
	return b.String()
}

// costs compares a run with checkpoints to one without.
func costs(with, without harness.Measurement) string {
	return fmt.Sprintf("with a checkpoint every %v, %.1f %% of the records/s and %.1f %% of the CPU time of the run without",
		with.Plan.CheckpointEvery, 100*with.Rate()/without.Rate(), 100*with.CPU.Seconds()/without.CPU.Seconds())
}

// describe returns a summary of a result.
func describe(r results.Result) string {
	if r.Lines["sampled"] > 0 {
		return "every value read was the one written last"
	}
	return fmt.Sprintf("%s distinct flights from %s airports on %s days and in %s hours of an airport, %s sessions on routes",
		humanize.Comma(r.Flights), humanize.Comma(r.Lines["total"]), humanize.Comma(r.Lines["day"]), humanize.Comma(r.Lines["hour"]), humanize.Comma(r.Lines["session"]))
}
