package command

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/report"
)

func TestInvalidCommandLineIsAnError(t *testing.T) {
	for line, message := range map[string]string{
		"-backend lsm":         `unknown -backend "lsm": want hash, btree, lsm-full, lsm-incremental, lsm-tier or all`,
		"-storage s3":          `unknown -storage "s3": want memory, file or all`,
		"-compression gzip":    `unknown -compression "gzip": want zstd or none`,
		"-records 0":           "-records must be at least 32",
		"-records -1":          "-records must be at least 32",
		"-records 31":          "-records must be at least 32",
		"-records x":           "-records",
		"-checkpoint-every 0s": "-checkpoint-every must be above 0s",
		"-checkpoint-every 2m": "-checkpoint-every must be above 0s and at most 1m0s",
		"-checkpoint-every 1":  "-checkpoint-every",
		"-parallelism 0":       "-parallelism must be from 1 to 256",
		"-parallelism 257":     "-parallelism must be from 1 to 256",
		"-json no/such/file":   "-json: stat no/such",
		"-nonsense":            "-nonsense",
		"file.csv":             `unexpected argument "file.csv"`,
		"-quick -child":        "-child",
	} {
		code, stdout, stderr := runBench(context.Background(), strings.Fields(line)...)
		require.Equal(t, exitUsage, code, line)
		require.Empty(t, stdout)
		require.Contains(t, stderr, message)
	}
}

func TestHelpDescribesAllFlagsAndShowsExamples(t *testing.T) {
	code, _, stderr := runBench(context.Background(), "-h")
	require.Zero(t, code)
	for _, want := range []string{
		"3,000,000 flights", "go run ./bench -quick", "against hash", "-all", "-wide", "-backend", "-storage", "-parallelism", "-records",
		"-checkpoint-every", "-dir", "-input", "-json", "-sync", "-compression",
	} {
		require.Contains(t, stderr, want)
	}
}

func TestJobAndFlagsChooseRecordsAndCheckpoints(t *testing.T) {
	for line, want := range map[string]defaults{
		"":                                  ordinary,
		"-all":                              complete,
		"-wide":                             ordinary,
		"-quick":                            quick,
		"-quick -all":                       quick,
		"-job large":                        large,
		"-job large -all":                   large,
		"-job large -quick":                 quick,
		"-quick -records 5000":              {5000, quick.every},
		"-all -checkpoint-every 3s":         {complete.records, 3 * time.Second},
		"-job large -records 64":            {64, large.every},
		"-records 99 -checkpoint-every 7ms": {99, 7 * time.Millisecond},
	} {
		o, err := parseOptions(strings.Fields(line), os.Stderr)
		require.NoError(t, err)
		require.Equal(t, want, defaults{o.records, o.every}, line)
	}
}

func TestFlagsChooseTheRowsOfTheTable(t *testing.T) {
	rows := func(line string) (rows []string) {
		o, err := parseOptions(strings.Fields(line), os.Stderr)
		require.NoError(t, err)
		for _, p := range o.plans() {
			rows = append(rows, p.String())
		}
		return rows
	}
	require.Equal(t, []string{
		"hash, none, uninterrupted", "hash, memory, failed twice", "hash, file, killed twice",
		"btree, memory, failed twice", "btree, file, killed twice",
		"lsm-full, file, killed twice", "lsm-incremental, file, killed twice", "lsm-tier, file, killed twice",
	}, rows(""))
	require.Len(t, rows("-all"), 17)
	require.Equal(t, []string{"btree, none, uninterrupted", "btree, memory, failed twice"}, rows("-backend btree -storage memory"))
	require.Equal(t, []string{"hash, none, uninterrupted", "hash, file, checkpointed", "hash, file, killed twice"},
		rows("-backend hash -storage file -all"))
	require.Equal(t, []string{"lsm-full, none, uninterrupted"}, rows("-backend lsm-full -storage memory"))
	require.Equal(t, []string{"lsm-incremental, none, uninterrupted", "lsm-incremental, file, killed twice"}, rows("-job large"))
}

func TestFlagsChooseTheColumnsOfTheTable(t *testing.T) {
	for line, want := range map[string]report.Detail{"": report.Brief, "-all": report.Runs, "-wide": report.Wide, "-all -wide": report.Wide} {
		o, err := parseOptions(strings.Fields(line), os.Stderr)
		require.NoError(t, err)
		require.Equal(t, want, o.detail(), line)
	}
}
