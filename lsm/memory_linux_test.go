package lsm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var memoryScale = flag.Int("lsm.memoryscale", 1, "factor by which the loads of TestProcessStaysWithinItsBudget write more")

// memoryLoad is a workload for a process with one budget. It leaves stores and iterators open, so
// that their memory counts in the peak.
type memoryLoad struct {
	budgetBytes int64
	run         func(dir string, b *Budget, scale int) error
}

var memoryLoads = map[string]memoryLoad{
	"200 stores":         {8 << 20, loadStores},
	"iterators":          {16 << 20, loadIterators},
	"small values":       {8 << 20, loadSmallValues},
	"scans and appends":  {16 << 20, loadScans},
	"small open handles": {8 << 20, loadManyTables},
}

// Under every load the peak memory of a process is at most 110 % of its budget plus 64 MiB. Each
// load runs in its own process.
func TestProcessStaysWithinItsBudget(t *testing.T) {
	if modelUnderRace {
		t.Skip("the race detector adds memory to the process")
	}
	for name, load := range memoryLoads {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			require.NoError(t, err)
			cmd := exec.Command(self, "-test.run=^TestProcessOfAMemoryLoad$", fmt.Sprint("-lsm.memoryscale=", *memoryScale))
			cmd.Env = append(os.Environ(), memoryLoadName+"="+name, memoryLoadDir+"="+t.TempDir())
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			_, rest, found := strings.Cut(string(out), peakMark)
			require.True(t, found, "%s", out)
			digits, _, _ := strings.Cut(rest, "\n")
			peak, err := strconv.ParseInt(digits, 10, 64)
			require.NoError(t, err)
			t.Logf("peak %d MiB, budget %d MiB", peak>>20, load.budgetBytes>>20)
			require.LessOrEqual(t, peak, load.budgetBytes*11/10+64<<20)
		})
	}
}

const (
	memoryLoadName = "WEIR_MEMORY_LOAD"
	memoryLoadDir  = "WEIR_MEMORY_DIR"
	peakMark       = "peak bytes: "
)

// TestProcessOfAMemoryLoad runs one load in a child process of TestProcessStaysWithinItsBudget.
func TestProcessOfAMemoryLoad(t *testing.T) {
	name := os.Getenv(memoryLoadName)
	if name == "" {
		return
	}
	load := memoryLoads[name]
	require.NoError(t, load.run(os.Getenv(memoryLoadDir), NewBudget(load.budgetBytes), *memoryScale))
	peak, err := peakBytes()
	require.NoError(t, err)
	fmt.Printf("%s%d\n", peakMark, peak)
}

// peakBytes returns the peak resident memory of the process.
func peakBytes() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no line VmHWM")
}

// putEntries writes n entries with keys of 8 bytes and values of valueBytes.
func putEntries(db *DB, from, n, valueBytes int) error {
	value := make([]byte, valueBytes)
	var key [8]byte
	for i := from; i < from+n; i++ {
		binary.BigEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
		copy(value, key[:])
		if err := db.Put(key[:], value); err != nil {
			return err
		}
	}
	return nil
}

// getEntries reads every step-th of the first n entries that putEntries wrote.
func getEntries(db *DB, n, step int) error {
	var key [8]byte
	for i := 0; i < n; i += step {
		binary.BigEndian.PutUint64(key[:], uint64(i)*0x9e3779b97f4a7c15)
		if _, found, err := db.Get(key[:], nil); err != nil || !found {
			return fmt.Errorf("entry %d: found %v: %w", i, found, err)
		}
	}
	return nil
}

func loadStores(dir string, b *Budget, scale int) error {
	var stores []*DB
	for i := range 200 {
		db, err := Open(context.Background(), filepath.Join(dir, strconv.Itoa(i)), Options{Budget: b})
		if err != nil {
			return err
		}
		stores = append(stores, db)
	}
	const each = 300
	for round := range 2 * scale {
		for _, db := range stores {
			if err := putEntries(db, round*each, each, 100); err != nil {
				return err
			}
		}
	}
	for _, db := range stores {
		if err := getEntries(db, 2*scale*each, 10); err != nil {
			return err
		}
	}
	return nil
}

func loadIterators(dir string, b *Budget, scale int) error {
	db, err := Open(context.Background(), dir, Options{Budget: b})
	if err != nil {
		return err
	}
	for i := range 40 {
		n := 20_000 * scale
		if err := putEntries(db, i*n, n, 100); err != nil {
			return err
		}
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return err
		}
		for range i % 2 * 1000 {
			it.Next()
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return nil
}

func loadSmallValues(dir string, b *Budget, scale int) error {
	db, err := Open(context.Background(), dir, Options{Budget: b})
	if err != nil {
		return err
	}
	n := 600_000 * scale
	if err := putEntries(db, 0, n, 8); err != nil {
		return err
	}
	return getEntries(db, n, 50)
}

// loadScans writes to a store while up to 20 iterators scan all of it.
func loadScans(dir string, b *Budget, scale int) error {
	db, err := Open(context.Background(), dir, Options{Budget: b})
	if err != nil {
		return err
	}
	n := 200_000 * scale
	var scans []*Iterator
	for i := range 20 {
		if err := putEntries(db, i*n/20, n/20, 200); err != nil {
			return err
		}
		it, err := db.Iterator(nil, nil)
		if err != nil {
			return err
		}
		scans = append(scans, it)
		for range 2000 {
			for _, it := range scans {
				it.Next()
			}
		}
	}
	for _, it := range scans {
		for it.Next() {
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return nil
}

// loadManyTables fills a store of many small tables and reads from all of them.
func loadManyTables(dir string, b *Budget, scale int) error {
	db, err := Open(context.Background(), dir, Options{Budget: b, FileBytes: 32 << 10})
	if err != nil {
		return err
	}
	n := 300_000 * scale
	if err := putEntries(db, 0, n, 50); err != nil {
		return err
	}
	return getEntries(db, n, 20)
}
