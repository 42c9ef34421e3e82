package report

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/weirstate/weir/internal/bench/harness"
)

// document is the content of the JSON file.
type document struct {
	Machine harness.Machine `json:"machine"`
	Rows    []documentRow   `json:"rows"`
}

// documentRow is one row of the table. CheckpointBytes and CheckpointMs are medians; RestoreMs
// is the time of the slowest restore.
type documentRow struct {
	Backend         string  `json:"backend"`
	Storage         string  `json:"storage"` // none, memory or file
	Run             string  `json:"run"`     // see harness.Kind
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

// pauses are percentiles of the pauses, null if there are too few pauses.
type pauses struct {
	P50 *time.Duration `json:"p50"`
	P99 *time.Duration `json:"p99"`
	Max *time.Duration `json:"max"`
}

// documentRestore is one restore after a failure.
type documentRestore struct {
	Checkpoint  uint64  `json:"checkpoint"`
	Offset      int64   `json:"offset"` // records
	Parallelism int     `json:"parallelism"`
	RestoreMs   float64 `json:"restore_ms"`
}

// WriteDocument writes the measurements to a file as JSON. It overwrites the file if it exists.
func WriteDocument(path string, measurements []harness.Measurement) error {
	d := document{Machine: harness.ThisMachine()}
	for _, m := range measurements {
		d.Rows = append(d.Rows, documentRowOf(m))
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(file)
	encoder.SetIndent("", "  ")
	return errors.Join(encoder.Encode(d), file.Close())
}

func documentRowOf(m harness.Measurement) documentRow {
	r := documentRow{
		Backend: m.Plan.Backend, Storage: m.Plan.Storage, Run: string(m.Plan.Kind),
		Records: m.Plan.Dataset.Total(), RecordsPerS: m.Rate(), Seconds: m.Took.Seconds(), CPUSeconds: m.CPU.Seconds(),
		Pauses: len(m.Pauses()), PauseNs: pausesOf(m),
		Checkpoints: len(m.Checkpoints), CheckpointBytes: m.CheckpointBytes(), CheckpointMs: milliseconds(m.CheckpointTime()),
		RestoreMs: milliseconds(m.SlowestRestore()), Replayed: m.Replayed,
		PeakRSSBytes: m.PeakRSS, Digest: m.Result.Digest(),
	}
	for _, from := range m.Recoveries() {
		r.Restores = append(r.Restores, documentRestore{from.Checkpoint, from.Offset, from.Parallelism, milliseconds(from.Took)})
	}
	return r
}

func pausesOf(m harness.Measurement) pauses {
	pause := func(percent, atLeast int) *time.Duration {
		p, ok := m.Pause(percent, atLeast)
		if !ok {
			return nil
		}
		return &p
	}
	return pauses{P50: pause(50, 1), P99: pause(99, minPausesForP99), Max: pause(100, 1)}
}
