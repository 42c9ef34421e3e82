package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressLineFitsATerminal(t *testing.T) {
	p := &Progress{label: "btree memory uninterrupted", total: 3_000_000, begun: time.Now().Add(-time.Hour)}
	for _, done := range []int64{0, 1_499_999, 3_000_000} {
		p.Set(done, 1)
		require.Less(t, len(p.line()), lineCells)
	}
	require.Contains(t, p.line(), "["+strings.Repeat("#", barCells)+"] 100%")
}

func TestProgressIsOneLineWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := StartProgress(&out, "run 2 of 7: btree", 10)
	p.Set(5, 0)
	p.Close()
	require.Equal(t, "run 2 of 7: btree\n", out.String())
}
