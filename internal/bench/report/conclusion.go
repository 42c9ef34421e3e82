package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/results"
)

// errDigests is returned when one run of the job came to another result than
// the others.
var ErrDigests = errors.New("the digests differ: a backend or a restore has changed the result")

// conclude says what the table does not. It returns errDigests unless all runs
// came to one result.
func Conclude(out io.Writer, measurements []harness.Measurement) error {
	fmt.Fprintln(out)
	for _, m := range measurements {
		for _, line := range remarks(m, measurements) {
			fmt.Fprintf(out, "%s, %s: %s.\n", m.Plan.Backend, m.Plan.Storage, line)
		}
	}
	for _, m := range measurements {
		if m.Result.Sum != measurements[0].Result.Sum {
			return ErrDigests
		}
	}
	_, err := fmt.Fprintf(out, "\nThe same result %d times: %s.\n", len(measurements), describe(measurements[0].Result))
	return err
}

// remarks are about one of the measurements.
func remarks(m harness.Measurement, all []harness.Measurement) (lines []string) {
	switch m.Plan.Kind {
	case harness.KilledTwice:
		return []string{"the process was killed (SIGKILL) twice" + wentOn(m)}
	case harness.FailedTwice:
		return []string{"checkpoints in memory die with their process, so the subtasks failed, twice, and the process lived" + wentOn(m)}
	case harness.Checkpointed:
		for _, without := range all {
			if without.Plan.Kind == harness.Uninterrupted && without.Plan.Backend == m.Plan.Backend {
				lines = append(lines, costs(m, without))
			}
		}
	}
	return lines
}

func wentOn(m harness.Measurement) string {
	var b strings.Builder
	for _, from := range m.Recoveries() {
		fmt.Fprintf(&b, "; went on from checkpoint %d at record %s with %d subtasks",
			from.Checkpoint, Grouped(from.Offset), from.Parallelism)
	}
	return b.String()
}

// costs compares a run with the one without checkpoints.
func costs(with, without harness.Measurement) string {
	return fmt.Sprintf("with a checkpoint every %v, %.1f %% of the records/s and %.1f %% of the CPU time of the run without",
		with.Plan.CheckpointEvery, 100*with.Rate()/without.Rate(), 100*with.CPU.Seconds()/without.CPU.Seconds())
}

// describe counts the lines of a result.
func describe(r results.Result) string {
	if r.Lines["sampled"] > 0 {
		return "every value was what had been written last"
	}
	return fmt.Sprintf("%s distinct flights from %s airports on %s days and in %s hours of an airport, %s sessions on routes",
		Grouped(r.Flights), Grouped(r.Lines["total"]), Grouped(r.Lines["day"]), Grouped(r.Lines["hour"]), Grouped(r.Lines["session"]))
}
