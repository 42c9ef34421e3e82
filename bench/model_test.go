package main

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// testFlights is more than a day of them, so that midnights are among them.
const testFlights = 20_000

// testPlan runs the job on the hash backend over the first flights, into which
// repetitions have been mixed.
func testPlan(t *testing.T) plan {
	input, flights := writeTestInput(t)
	return plan{backend: allBackends[0], input: input, flights: flights, dir: t.TempDir(), pollFlights: batchFlights}
}

// writeTestInput repeats every tenth flight, 5,000 flights later.
func writeTestInput(t *testing.T) (path string, n int64) {
	real, err := findInput("")
	require.NoError(t, err)
	lines := []string{header}
	for flights, err := range flightsOf(context.Background(), real, 0, testFlights) {
		require.NoError(t, err)
		for _, f := range flights {
			lines = append(lines, format(f))
			if at := len(lines) - 5_000; at > 0 && at%10 == 0 {
				lines = append(lines, lines[at])
			}
		}
	}
	path = filepath.Join(t.TempDir(), "flights.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path, int64(len(lines) - 1)
}

// model is the job in plain Go: no states, no timers, no stream. It shares
// nothing with the job but the reader and what reports look like as text.
func model(t *testing.T, p plan) result {
	type originDay struct {
		origin airport
		day    minute
	}
	seen := make(map[flight]bool)
	byOrigin := make(map[airport][]flight)
	byDay := make(map[originDay][]flight)
	for flights, err := range flightsOf(context.Background(), p.input, 0, p.flights) {
		require.NoError(t, err)
		for _, f := range flights {
			if seen[f] {
				continue
			}
			seen[f] = true
			byOrigin[f.origin] = append(byOrigin[f.origin], f)
			day := originDay{f.origin, f.minute - f.minute%(24*60)}
			byDay[day] = append(byDay[day], f)
		}
	}
	var r result
	for day, flights := range byDay {
		r.days = append(r.days, dayReport{day.day, day.origin, len(flights), modelMedian(flights), modelLateRun(flights)})
	}
	for origin, flights := range byOrigin {
		r.origins = append(r.origins, modelTotal(origin, flights))
	}
	return r
}

func modelMedian(flights []flight) int16 {
	delays := make([]int, len(flights))
	for i, f := range flights {
		delays[i] = int(f.delay)
	}
	sort.Ints(delays)
	if len(delays)%2 == 0 {
		return int16(delays[len(delays)/2-1])
	}
	return int16(delays[len(delays)/2])
}

// modelLateRun tries every beginning.
func modelLateRun(flights []flight) (longest int) {
	for from := range flights {
		to := from
		for to < len(flights) && flights[to].delay >= 15 {
			to++
		}
		longest = max(longest, to-from)
	}
	return longest
}

func modelTotal(origin airport, flights []flight) originReport {
	r := originReport{origin: origin, flights: int64(len(flights)), worst: flights[0].delay}
	there := make(map[airport]int64)
	sum := 0
	for _, f := range flights {
		sum += int(f.delay)
		r.worst = max(r.worst, f.delay)
		there[f.destination]++
	}
	r.mean = float64(sum) / float64(len(flights))
	for destination, n := range there {
		r.destinations = append(r.destinations, state.Entry[airport, int64]{Key: destination, Value: n})
	}
	sort.Slice(r.destinations, func(i, j int) bool {
		return r.destinations[i].Key.String() < r.destinations[j].Key.String()
	})
	return r
}
