package lsmstate_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

var memoryScale = flag.Int("lsmstate.memoryscale", 0, "factor of the load of the memory test; 10 is 5,000,000 entries; 0 for the default of WEIR_TESTS")

const (
	memoryLoadDir    = "WEIR_MEMORY_STATE_DIR"
	memoryLoadBudget = 16 << 20
	peakMark         = "peak bytes: "
)

// The process has one key with a large map, a long list and many timers. It may take its budget, a
// tenth of it and 64 MiB. It once took 155 MiB with a budget of 16 MiB.
func TestProcessWithLargeStatesKeepsWithinItsBudget(t *testing.T) {
	density.InCampaigns(t)
	scale := *memoryScale
	if scale == 0 {
		scale = density.Of(t, 1, 1, 10)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "-test.run=^TestMemoryOfLargeStates$", fmt.Sprint("-lsmstate.memoryscale=", scale))
	cmd.Env = append(os.Environ(), memoryLoadDir+"="+t.TempDir())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, rest, found := strings.Cut(string(out), peakMark)
	require.True(t, found, "%s", out)
	digits, _, _ := strings.Cut(rest, "\n")
	peak, err := strconv.ParseInt(digits, 10, 64)
	require.NoError(t, err)
	t.Logf("%d MiB of a budget of %d\n%s", peak>>20, memoryLoadBudget>>20, out)
	if !underRace {
		require.LessOrEqual(t, peak, int64(memoryLoadBudget*11/10+64<<20))
	}
}

// TestMemoryOfLargeStates runs in the process of the test above.
func TestMemoryOfLargeStates(t *testing.T) {
	dir := os.Getenv(memoryLoadDir)
	if dir == "" {
		return
	}
	b, err := lsmstate.Create(filepath.Join(dir, "backend"), lsmstate.Options{Budget: lsm.NewBudget(memoryLoadBudget)})
	require.NoError(t, err)
	keyed, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	entries, err := state.MapOf(keyed, state.MapDescriptor[int64, int64]{Name: "map", Key: codec.Int[int64](), Value: codec.Int[int64]()})
	require.NoError(t, err)
	list, err := state.ListOf(keyed, state.ListDescriptor[int64]{Name: "list", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	timers, err := state.TimersOf(keyed, "timers")
	require.NoError(t, err)
	require.NoError(t, keyed.SetKey(1))
	at := func(name string) {
		peak, err := peakBytes()
		require.NoError(t, err)
		fmt.Printf("after %s: %d MiB\n", name, peak>>20)
	}
	for i := range 500_000 * *memoryScale {
		n := int64(uint64(i) * 0x9e3779b97f4a7c15)
		require.NoError(t, entries.Put(n, n))
	}
	at("the map")
	for i := range 100_000 * *memoryScale {
		require.NoError(t, list.Add(int64(i)))
	}
	at("the list")
	for i := range 100_000 * *memoryScale {
		require.NoError(t, keyed.SetKey(int64(i)))
		require.NoError(t, timers.Register(state.EventTime, int64(uint64(i)*0x9e3779b97f4a7c15>>1), nil))
	}
	at("the timers")
	require.NoError(t, keyed.SetKey(1))
	n := 0
	for range entries.All() {
		n++
	}
	require.Equal(t, 500_000**memoryScale, n)
	at("walking the map")
	snapshots, err := snapshot.NewDirectory(filepath.Join(dir, "snapshots"))
	require.NoError(t, err)
	running, err := snapshot.Start(context.Background(), b, snapshots, snapshot.Options{})
	require.NoError(t, err)
	_, err = running.Wait()
	require.NoError(t, err)
	at("a snapshot")
	peak, err := peakBytes()
	require.NoError(t, err)
	fmt.Printf("%s%d\n", peakMark, peak)
	require.NoError(t, b.Close())
}

// peakBytes returns the maximum resident memory of the process so far.
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
	return 0, fmt.Errorf("no VmHWM")
}
