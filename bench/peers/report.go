package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// row is one row of the table, and of the file of -json.
type row struct {
	Engine     string  `json:"engine"`
	Workload   string  `json:"workload"`
	Keys       int     `json:"keys"`
	ValueBytes int     `json:"value_bytes"`
	KeyKind    string  `json:"key_kind"`
	Ops        int     `json:"ops"` // in the traced run
	Nanos      float64 `json:"ns_per_op"`
	CPUNanos   float64 `json:"cpu_ns_per_op"`
	P999Nanos  int64   `json:"p999_ns"`
	MaxNanos   int64   `json:"max_ns"`
	Spread     float64 `json:"spread"`
	Read       float64 `json:"read_bytes_per_op"`    // by system calls, from disk or page cache
	Written    float64 `json:"written_bytes_per_op"` // by system calls; without a log, this shows the write amplification
	DiskBytes  int64   `json:"disk_bytes"`
	PeakBytes  int64   `json:"peak_rss_bytes"` // less the memory of the process before the engine was opened
}

// rows returns the rows of all workloads and engines that have results.
func (r *runner) rows() (rows []row) {
	for _, name := range r.workloads {
		for _, engine := range r.engines {
			found := r.result(engine, name)
			if len(found.nanos) == 0 {
				continue
			}
			rows = append(rows, row{
				Engine: engine, Workload: name, Keys: r.keys, ValueBytes: r.valueBytes, KeyKind: r.keyKind,
				Ops: int(found.traced.TotalCount()), Nanos: median(found.nanos), CPUNanos: median(found.cpuNanos),
				P999Nanos: found.traced.ValueAtPercentile(99.9), MaxNanos: found.traced.Max(),
				Spread: found.spread(), Read: median(found.read), Written: median(found.written), DiskBytes: median(found.diskBytes),
				PeakBytes: median(found.peakBytes),
			})
		}
	}
	return rows
}

func writeJSON(name string, rows []row) error {
	b, err := json.MarshalIndent(map[string][]row{"rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}

// isPeer reports whether weir's ratio uses an engine. A Go map does less than weir, and Badger is
// shown for information only.
func isPeer(engine string) bool { return engine == "pebble" || engine == "rocksdb" }

// writeTable writes the rows as a table. The ratio is weir's ns/op divided by the ns/op of the
// fastest peer.
func writeTable(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "workload\tengine\tns/op\tCPU ns/op\tp99.9\tlongest\tspread\tread B/op\twritten B/op\tdisk MB\tRSS MB\tratio\t\n")
	best := make(map[string]float64)
	for _, r := range rows {
		if old, ok := best[r.Workload]; isPeer(r.Engine) && (!ok || r.Nanos < old) {
			best[r.Workload] = r.Nanos
		}
	}
	for _, r := range rows {
		ratio := ""
		if peer, ok := best[r.Workload]; ok && r.Engine == "weir" {
			ratio = fmt.Sprintf("%.2f", r.Nanos/peer)
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%.0f\t%v\t%v\t%.0f%%\t%.0f\t%.0f\t%.1f\t%.0f\t%s\t\n", r.Workload, r.Engine, r.Nanos, r.CPUNanos,
			time.Duration(r.P999Nanos), time.Duration(r.MaxNanos), 100*r.Spread, r.Read, r.Written, float64(r.DiskBytes)/1e6,
			float64(r.PeakBytes)/1e6, ratio)
	}
	return t.Flush()
}
