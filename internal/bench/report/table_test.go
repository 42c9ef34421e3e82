package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/results"
)

// eventful returns a measurement with failures, checkpoints and restores.
func eventful() harness.Measurement {
	m := harness.Measurement{
		Plan:     harness.Plan{Backend: "btree", Storage: "file", Kind: harness.KilledTwice, Dataset: dataset.Dataset{Records: [dataset.Partitions]int64{750_000, 750_000, 750_000, 750_000}}},
		Took:     75 * time.Second,
		CPU:      140 * time.Second,
		Replayed: 1_234_567,
		PeakRSS:  123 << 20,
		Result:   results.Result{Sum: 0xabc},
		Restores: []harness.Restored{{Took: time.Hour}, {Took: 3 * time.Millisecond}, {Took: 2 * time.Millisecond}},
	}
	for i := range 50 {
		m.Checkpoints = append(m.Checkpoints, harness.Completed{
			ID: uint64(i) + 1, Bytes: int64(i) << 20, Took: time.Duration(i) * time.Millisecond,
			Pauses: []time.Duration{time.Duration(2*i+1) * time.Millisecond, time.Duration(2*i+2) * time.Millisecond},
		})
	}
	return m
}

// uneventful returns a measurement without failures, checkpoints and restores.
func uneventful() harness.Measurement {
	return harness.Measurement{Plan: harness.Plan{Backend: "hash", Storage: "none", Kind: harness.Uninterrupted, Dataset: dataset.Dataset{Records: [dataset.Partitions]int64{2, 2, 2, 1}}}, Took: time.Second}
}

// tableOf returns the lines of a table of the measurements.
func tableOf(t *testing.T, detail Detail, measurements ...harness.Measurement) []string {
	var out bytes.Buffer
	table, err := NewTable(&out, detail)
	require.NoError(t, err)
	for i, m := range measurements {
		require.NoError(t, table.Add(m))
		require.Equal(t, i+2, strings.Count(out.String(), "\n"), "a row is written when it is added")
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestTableIsAligned(t *testing.T) {
	lines := tableOf(t, Wide, uneventful(), eventful())
	for _, c := range columns {
		if c.width < 0 {
			continue
		}
		end := strings.Index(lines[0], c.title) + len(c.title)
		for _, line := range lines {
			require.NotEqual(t, " ", line[end-1:end], "column %q is not flush right:\n%s", c.title, strings.Join(lines, "\n"))
			require.Equal(t, "  ", (line + "  ")[end:end+2])
		}
	}
	require.Equal(t, strings.Index(lines[0], "digest"), strings.Index(lines[2], "0000000000000abc"))
}

func TestDetailChoosesTheColumns(t *testing.T) {
	titles := []string{"backend", "storage", "records/s", "against hash", "max pause", "checkpoint size", "restored in", "digest"}
	require.Equal(t, strings.Fields(strings.Join(titles, " ")), strings.Fields(tableOf(t, Brief)[0]))
	require.Equal(t, []string{"btree", "file", "40,000", missing, "100.00", "ms", "24", "MiB", "3.0", "ms", "0000000000000abc"},
		strings.Fields(tableOf(t, Brief, eventful())[1]))
	require.Equal(t, []string{"btree", "file", "killed", "twice", "40,000"}, strings.Fields(tableOf(t, Runs, eventful())[1])[:5])
	require.Equal(t, []string{
		"btree", "file", "killed", "twice", "40,000", missing, "100.00", "ms", "24", "MiB", "3.0", "ms", "0000000000000abc",
		"75.00", "s", "140.00", "s", "50", "24.0", "ms", "50.00", "ms", "99.00", "ms", "1,234,567", "123", "MiB",
	}, strings.Fields(tableOf(t, Wide, eventful())[1]))
	require.Equal(t, []string{
		"hash", "none", "uninterrupted", "7", "1.00", missing, missing, missing, "0000000000000000",
		"1.00", "s", "0.00", "s", "0", missing, missing, missing, missing, missing,
	}, strings.Fields(tableOf(t, Wide, uneventful())[1]))
}

func TestRowIsComparedWithHashForTheSameKindAndStorage(t *testing.T) {
	hash := eventful()
	hash.Plan.Backend, hash.Took = "hash", hash.Took/4
	lines := tableOf(t, Brief, uneventful(), hash, eventful())
	require.Equal(t, "1.00", strings.Fields(lines[2])[3])
	require.Equal(t, "0.25", strings.Fields(lines[3])[3])
	otherStorage := eventful()
	otherStorage.Plan.Storage = "memory"
	require.Equal(t, missing, strings.Fields(tableOf(t, Brief, hash, otherStorage)[2])[3])
}

func TestPercentileNeedsEnoughPauses(t *testing.T) {
	m := eventful()
	m.Checkpoints[0].Pauses = m.Checkpoints[0].Pauses[1:] // 99 pauses remain
	require.Equal(t, missing, pause(row{Measurement: m}, 99, minPausesForP99))
	require.Nil(t, documentRowOf(m).PauseNs.P99)
	require.Equal(t, 51*time.Millisecond, *documentRowOf(m).PauseNs.P50)
	require.Equal(t, 99*time.Millisecond, *documentRowOf(eventful()).PauseNs.P99)
	require.Nil(t, documentRowOf(uneventful()).PauseNs.Max)
}
