package main

import (
	"encoding/json"
	"errors"
	"os"
	"time"
)

// document is what -json writes.
type document struct {
	Machine machine       `json:"machine"`
	Rows    []documentRow `json:"rows"`
}

// documentRow is a row of the table. Checkpoint bytes and time are medians, the
// restore time is that of the slowest restore.
type documentRow struct {
	Backend         string  `json:"backend"`
	Storage         string  `json:"storage"` // none, memory or file
	Run             string  `json:"run"`     // see kind
	Records         int64   `json:"records"`
	Seconds         float64 `json:"seconds"`
	CPUSeconds      float64 `json:"cpu_seconds"` // of all processes, on all cores
	RecordsPerS     float64 `json:"records_per_s"`
	Pauses          int     `json:"pauses"`
	PauseNs         pauses  `json:"pause_ns"`
	Checkpoints     int     `json:"checkpoints"`
	CheckpointBytes int64   `json:"checkpoint_bytes"`
	CheckpointMs    float64 `json:"checkpoint_ms"`
	RestoreMs       float64 `json:"restore_ms"`
	Replayed        int64   `json:"replayed"`
	PeakRSSBytes    uint64  `json:"peak_rss_bytes"` // 0 if unknown
	Digest          string  `json:"digest"`

	Restores []documentRestore `json:"restores"`
}

// pauses are percentiles, null where there are too few to tell.
type pauses struct {
	P50 *time.Duration `json:"p50"`
	P99 *time.Duration `json:"p99"`
	Max *time.Duration `json:"max"`
}

// documentRestore says from where a job that failed went on.
type documentRestore struct {
	Checkpoint  uint64  `json:"checkpoint"`
	Offset      int64   `json:"offset"` // records
	Parallelism int     `json:"parallelism"`
	RestoreMs   float64 `json:"restore_ms"`
}

// writeDocument writes a file, over one that may be there.
func writeDocument(path string, measurements []measurement) error {
	d := document{Machine: thisMachine()}
	for _, m := range measurements {
		d.Rows = append(d.Rows, rowOf(m))
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	encoder.SetIndent("", "  ")
	return errors.Join(encoder.Encode(d), file.Close())
}

func rowOf(m measurement) documentRow {
	r := documentRow{
		Backend: m.plan.backend, Storage: m.plan.storage, Run: string(m.plan.kind),
		Records: m.plan.deck.total(), RecordsPerS: m.rate(), Seconds: m.took.Seconds(), CPUSeconds: m.cpu.Seconds(),
		Pauses: len(m.pauses()), PauseNs: pausesOf(m),
		Checkpoints: len(m.checkpoints), CheckpointBytes: m.checkpointBytes(), CheckpointMs: milliseconds(m.checkpointTime()),
		RestoreMs: milliseconds(m.slowestRestore()), Replayed: m.replayed,
		PeakRSSBytes: m.peakRSS, Digest: m.result.digest(),
	}
	for _, from := range m.goneOn() {
		r.Restores = append(r.Restores, documentRestore{from.Checkpoint, from.Offset, from.Parallelism, milliseconds(from.Took)})
	}
	return r
}

func pausesOf(m measurement) pauses {
	one := func(percent, enough int) *time.Duration {
		p, ok := m.pause(percent, enough)
		if !ok {
			return nil
		}
		return &p
	}
	return pauses{P50: one(50, 1), P99: one(99, enoughForP99), Max: one(100, 1)}
}
