package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTableIsAligned(t *testing.T) {
	short := measurement{plan: plan{backend: allBackends[0], flights: 7}, took: time.Second, digest: "d1"}
	long := measurement{
		plan: plan{backend: allBackends[1], flights: 3_000_000, dropAt: 1}, took: 75 * time.Second, digest: "d2",
		pauses: []time.Duration{time.Millisecond, 40 * time.Millisecond}, last: &jobSnapshot{took: time.Minute},
	}
	var out bytes.Buffer
	require.NoError(t, writeTable(&out, []measurement{short, long}))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	for _, title := range []string{"records", "time", "pause p50", "max", "rows", "peak heap"} {
		end := strings.Index(lines[0], title+"  ") + len(title)
		for _, line := range lines {
			require.NotEqual(t, " ", line[end-1:end], "column %q is not flush right:\n%s", title, out.String())
			require.Equal(t, "  ", line[end:end+2])
		}
	}
	require.Equal(t, strings.Index(lines[0], "digest"), strings.Index(lines[1], "d1"))
	require.Equal(t, strings.Index(lines[0], "digest"), strings.Index(lines[2], "d2"))
}

func TestPercentileNeedsEnoughPauses(t *testing.T) {
	var pauses []time.Duration
	require.Equal(t, "-", pause(pauses, 50, 1))
	for i := range 99 {
		pauses = append(pauses, time.Duration(99-i)*time.Millisecond)
	}
	require.Equal(t, "-", pause(pauses, 99, 100))
	pauses = append(pauses, 100*time.Millisecond)
	require.Equal(t, "50.00 ms", pause(pauses, 50, 1))
	require.Equal(t, "99.00 ms", pause(pauses, 99, 100))
	require.Equal(t, "100.00 ms", pause(pauses, 100, 1))
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 2_999_809: "2,999,809"} {
		require.Equal(t, want, grouped(n))
	}
}

func TestProgressLineFitsATerminal(t *testing.T) {
	p := &progress{label: "btree dropped, restored", total: 3_000_000, begun: time.Now().Add(-time.Hour)}
	p.say("restored")
	for _, done := range []int64{0, 1_499_999, 3_000_000} {
		p.set(done)
		require.Less(t, len(p.line()), lineCells)
	}
	require.Contains(t, p.line(), "["+strings.Repeat("#", barCells)+"] 100%")
}
