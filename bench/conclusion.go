package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// errDigests is returned when one run of the job came to another result than
// the others.
var errDigests = errors.New("the digests differ: a backend or a restore has changed the result")

// conclude says what the table does not. It returns errDigests unless all runs
// came to one result.
func conclude(out io.Writer, measurements []measurement) error {
	fmt.Fprintln(out)
	for _, m := range measurements {
		for _, line := range remarks(m, measurements) {
			fmt.Fprintf(out, "%s, %s: %s.\n", m.plan.backend, m.plan.storage, line)
		}
	}
	for _, m := range measurements {
		if m.result.sum != measurements[0].result.sum {
			return errDigests
		}
	}
	_, err := fmt.Fprintf(out, "\nThe same result %d times: %s.\n", len(measurements), describe(measurements[0].result))
	return err
}

// remarks are about one of the measurements.
func remarks(m measurement, all []measurement) (lines []string) {
	switch m.plan.kind {
	case killedTwice:
		return []string{"the process was killed (SIGKILL) twice" + wentOn(m)}
	case failedTwice:
		return []string{"checkpoints in memory die with their process, so the subtasks failed, twice, and the process lived" + wentOn(m)}
	case checkpointed:
		for _, without := range all {
			if without.plan.kind == uninterrupted && without.plan.backend == m.plan.backend {
				lines = append(lines, costs(m, without))
			}
		}
	}
	return lines
}

func wentOn(m measurement) string {
	var b strings.Builder
	for _, from := range m.goneOn() {
		fmt.Fprintf(&b, "; went on from checkpoint %d at record %s with %d subtasks",
			from.Checkpoint, grouped(from.Offset), from.Parallelism)
	}
	return b.String()
}

// costs compares a run with the one without checkpoints.
func costs(with, without measurement) string {
	return fmt.Sprintf("with a checkpoint every %v, %.1f %% of the records/s and %.1f %% of the CPU time of the run without",
		with.plan.every, 100*with.rate()/without.rate(), 100*with.cpu.Seconds()/without.cpu.Seconds())
}

// describe counts the lines of a result.
func describe(r result) string {
	if r.lines["sampled"] > 0 {
		return "every value was what had been written last"
	}
	return fmt.Sprintf("%s distinct flights from %s airports on %s days and in %s hours of an airport, %s sessions on routes",
		grouped(r.flights), grouped(r.lines["total"]), grouped(r.lines["day"]), grouped(r.lines["hour"]), grouped(r.lines["session"]))
}
