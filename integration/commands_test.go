package integration

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// buildFlights builds the command flights.
func buildFlights(t *testing.T) (program string) {
	program = filepath.Join(t.TempDir(), "flights")
	out, err := exec.Command("go", "build", "-o", program, "./flights").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// The README has a line for each URL. Here they run with the ports of the shared servers.
func TestCommandsOfTheReadmeRun(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	program := buildFlights(t)
	addresses := strings.NewReplacer("http://127.0.0.1:7070", shared.S3, "127.0.0.1:40010", shared.HDFS, "127.0.0.1:2181", shared.ZooKeeper,
		"/tmp/flights", t.TempDir())
	const command = "go run -C integration ./flights "
	found := make(map[string]bool)
	for line := range strings.Lines(string(readme)) {
		url, ok := strings.CutPrefix(strings.TrimSpace(line), command)
		if !ok {
			continue
		}
		url = strings.Trim(url, "'")
		scheme, _, _ := strings.Cut(url, "://")
		found[scheme] = true
		t.Run(scheme, func(t *testing.T) {
			out, err := exec.Command(program, "-records", "30000", "-checkpoint-every", "50ms", addresses.Replace(url)).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "The same result 2 times")
		})
	}
	require.Equal(t, map[string]bool{"fs+s3": true, "lsm+s3": true, "fs+hdfs": true, "lsm+hdfs": true, "fs+file": true}, found)
}

func TestModesWithoutArgumentsRefuseThem(t *testing.T) {
	program := filepath.Join(t.TempDir(), "launch")
	out, err := exec.Command("go", "build", "-o", program, "./launch").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, mode := range []string{"serve", "install"} {
		out, err := exec.Command(program, mode, "extra").CombinedOutput()
		require.Error(t, err)
		require.Equal(t, "integration/run: "+mode+" takes no arguments, it has 1\n", string(out))
	}
}

func TestInterruptedFlightsRemoveTheirCheckpoints(t *testing.T) {
	ctx := context.Background()
	storage := s3URL(newRoot("interrupted"))
	objects, err := checkpoint.OpenObjects(ctx, storage)
	require.NoError(t, err)
	temporary := t.TempDir()
	flights := exec.Command(buildFlights(t), "-records", "1000000", "-checkpoint-every", "50ms", "lsm+"+storage)
	flights.Env = append(os.Environ(), "TMPDIR="+temporary)
	var out bytes.Buffer
	flights.Stdout, flights.Stderr = &out, &out
	require.NoError(t, flights.Start())
	ended := make(chan error, 1)
	go func() { ended <- flights.Wait() }()
	jobs := func(prefix string) (names []string) { // objects of the job
		list, err := objects.List(ctx, "")
		require.NoError(t, err)
		for _, o := range list {
			if strings.Contains(o.Name, prefix) {
				names = append(names, o.Name)
			}
		}
		return names
	}
	for len(jobs("/completed/")) == 0 {
		select {
		case err := <-ended:
			require.FailNow(t, "flights has ended early", "%v\n%s", err, out.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	require.NoError(t, flights.Process.Signal(os.Interrupt))
	require.Error(t, <-ended)
	require.Equal(t, 130, flights.ProcessState.ExitCode(), out.String())
	require.Contains(t, out.String(), "interrupted")
	require.Empty(t, jobs("/chk-"))
	require.Empty(t, jobs("/completed/"))
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files")
}
