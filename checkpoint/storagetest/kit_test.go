package storagetest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
)

// TestMain fails the tests if one leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// brokenProcess is the environment variable that makes TestBrokenStores run.
const brokenProcess = "WEIR_BROKEN_STORES"

// TestBrokenStores runs checks of the kit on broken stores, in the process that
// TestEachCheckCanFail starts.
func TestBrokenStores(t *testing.T) {
	if os.Getenv(brokenProcess) == "" {
		return // TestEachCheckCanFail runs it in another process
	}
	for _, broken := range brokenStores {
		t.Run(broken.fault, func(t *testing.T) {
			wrapped := make(map[string]checkpoint.Objects) // a fault may count
			runOne(t, broken.promise, objectChecks, &harness{open: func(_ testing.TB, root string) checkpoint.Objects {
				if wrapped[root] == nil || broken.fault == "each opening sees an empty store" {
					wrapped[root] = broken.wrap(memory(root))
				}
				return wrapped[root]
			}})
		})
	}
	for _, broken := range brokenCompleted {
		t.Run(broken.fault, func(t *testing.T) {
			runOne(t, broken.promise, completedChecks, &completedHarness{open: mapStores(broken.fault)})
		})
	}
}

// runOne runs the check of one promise.
func runOne[H any](t *testing.T, promise string, checks []check[H], h H) {
	i := slices.IndexFunc(checks, func(c check[H]) bool { return c.promise == promise })
	require.GreaterOrEqual(t, i, 0, "no such check")
	runAll(t, h, checks[i:i+1])
}

func TestEachCheckCanFail(t *testing.T) {
	kit := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenStores$", "-rapid.shrinktime=10ms", "-rapid.nofailfile")
	kit.Env = append(os.Environ(), brokenProcess+"=1")
	kit.Dir = t.TempDir()
	out, err := kit.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.NotContains(t, string(out), "panic:")
	failed := make(map[string]bool)
	requireFailed := func(fault, promise string) {
		failed[promise] = true
		subtest := strings.ReplaceAll("TestBrokenStores/"+fault+"/"+promise, " ", "_")
		require.True(t, strings.Contains(string(out), "--- FAIL: "+subtest), "the kit accepts a store in which %s", fault)
	}
	for _, broken := range brokenStores {
		requireFailed(broken.fault, broken.promise)
	}
	for _, broken := range brokenCompleted {
		requireFailed(broken.fault, broken.promise)
	}
	for _, c := range objectChecks {
		require.True(t, failed[c.promise], "no broken store shows that this check can fail: %s", c.promise)
	}
	for _, c := range completedChecks {
		require.True(t, failed[c.promise], "no broken store shows that this check can fail: %s", c.promise)
	}
}

// Without a fault, the same stores pass.
func TestSoundStoresPass(t *testing.T) {
	Run(t, func(_ testing.TB, root string) checkpoint.Objects { return memory(root) })
	RunCompleted(t, mapStores(""))
}
