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

// eventful is a measurement in which everything happened.
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

// uneventful is one in which nothing did.
func uneventful() harness.Measurement {
	return harness.Measurement{Plan: harness.Plan{Backend: "hash", Storage: "none", Kind: harness.Uninterrupted, Dataset: dataset.Dataset{Records: [dataset.Partitions]int64{2, 2, 2, 1}}}, Took: time.Second}
}

func TestTableIsAligned(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteTable(&out, []harness.Measurement{uneventful(), eventful()}))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	for _, title := range []string{"time", "records/s", "checkpoints", "pause p50", "p99", "max", "peak RSS"} {
		end := strings.Index(lines[0], title+"  ") + len(title)
		for _, line := range lines {
			require.NotEqual(t, " ", line[end-1:end], "column %q is not flush right:\n%s", title, out.String())
			require.Equal(t, "  ", line[end:end+2])
		}
	}
	require.Equal(t, strings.Index(lines[0], "digest"), strings.Index(lines[2], "0000000000000abc"))
	require.Equal(t, []string{
		"btree", "file", "killed", "twice", "75.00", "s", "140.00", "s", "40,000", "50", "24.00", "MiB", "24.0", "ms",
		"50.00", "ms", "99.00", "ms", "100.00", "ms", "3.0", "ms", "1,234,567", "123.00", "MiB", "0000000000000abc",
	}, strings.Fields(lines[2]))
	require.Equal(t, []string{"hash", "none", "uninterrupted", "1.00", "s", "0.00", "s", "7", "0", none, none, none, none, none, none, none, none, "0000000000000000"},
		strings.Fields(lines[1]))
}

func TestPercentileNeedsEnoughPauses(t *testing.T) {
	m := eventful()
	m.Checkpoints[0].Pauses = m.Checkpoints[0].Pauses[1:]
	require.Equal(t, none, pause(m, 99, enoughForP99))
	require.Nil(t, rowOf(m).PauseNs.P99)
	require.Equal(t, 51*time.Millisecond, *rowOf(m).PauseNs.P50)
	require.Equal(t, 99*time.Millisecond, *rowOf(eventful()).PauseNs.P99)
	require.Nil(t, rowOf(uneventful()).PauseNs.Max)
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 2_999_809: "2,999,809"} {
		require.Equal(t, want, Grouped(n))
	}
}
