package programs

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTryRunsTheGivenNumberOfPrograms(t *testing.T) {
	for _, n := range []int{0, 1, 7, 250} {
		ran := 0
		Try(t, n, func(*rapid.T) { ran++ })
		require.Equal(t, n, ran)
	}
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
	lines  []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
}
func (r *recorder) FailNow()     { r.failed = true; runtime.Goexit() }
func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) Logf(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func TestTryReportsAShorterProgramThatFails(t *testing.T) {
	t.Chdir(t.TempDir()) // rapid writes a file about the failure
	r := &recorder{TB: t}
	done := make(chan struct{})
	var steps []int
	go func() {
		defer close(done)
		Try(r, 1000, func(r *rapid.T) {
			steps = nil
			d := Dice{r}
			d.Repeat(200, func() {
				steps = append(steps, d.IntN(100))
				Test(t, r).Logf("step %d", steps[len(steps)-1])
				require.Less(Test(t, r), steps[len(steps)-1], 50)
			})
		})
	}()
	<-done
	require.True(t, r.failed)
	require.Equal(t, []int{50}, steps, "the last program that was run")
	require.Contains(t, r.lines, "step 50")
	for _, line := range r.lines {
		require.NotContains(t, line, "draw")
	}
}

func TestUniformNumbersHaveTheSameFrequency(t *testing.T) {
	count := make([]int, 10)
	Try(t, 1, func(r *rapid.T) {
		for range 10_000 {
			count[Dice{r}.Uniform(10)]++
		}
	})
	for n, times := range count {
		require.InDelta(t, 1000, times, 250, n)
	}
}
