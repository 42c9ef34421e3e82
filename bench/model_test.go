package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dayFlights of the real flights are more than a day of them, so that midnights
// are among them.
const dayFlights = 20_000

// flightsInOrder are one of every so many of the first dayFlights.
func flightsInOrder(t *testing.T, every int) (some []flight) {
	input, err := findInput("")
	require.NoError(t, err)
	n := 0
	for flights, err := range flightsOf(context.Background(), input, dayFlights) {
		require.NoError(t, err)
		for _, f := range flights {
			if n++; n%every == 0 {
				some = append(some, f)
			}
		}
	}
	require.Len(t, some, dayFlights/every)
	return some
}

// sameFlights says whether two streams have the same flights in whatever order.
func sameFlights(a, b []flight) bool {
	count := make(map[flight]int)
	for _, f := range a {
		count[f]++
	}
	for _, f := range b {
		count[f]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// writeInput writes flights, with every tenth repeated about an hour later.
func writeInput(t *testing.T, flights []flight) (path string, repeated []flight) {
	later := len(flights) / 20
	for _, f := range flights {
		repeated = append(repeated, f)
		if at := len(repeated) - later; at > 0 && at%10 == 0 {
			repeated = append(repeated, repeated[at])
		}
	}
	lines := []string{header}
	for _, f := range repeated {
		lines = append(lines, format(f))
	}
	path = filepath.Join(t.TempDir(), "flights.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path, repeated
}

// deckOf is dealt from flights and repetitions of some; all of them are
// returned, too.
func deckOf(t *testing.T, flights []flight) (deck, []flight) {
	path, repeated := writeInput(t, flights)
	d, err := deal(context.Background(), path, t.TempDir(), math.MaxInt64)
	require.NoError(t, err)
	return d, repeated
}

// testDeck has few flights, but of more than a day.
func testDeck(t *testing.T) (deck, []flight) { return deckOf(t, flightsInOrder(t, 4)) }

// modelLines is the job in plain Go: no states, no timers, no stream. It shares
// nothing with the job but how a date and an airport look like as text.
func modelLines(flights []flight) (lines []string) {
	seen := make(map[flight]bool)
	byOrigin := make(map[string][]flight)
	byDay := make(map[string][]flight)
	byHour := make(map[string][]flight)
	byRoute := make(map[string][]flight)
	for _, f := range flights {
		if seen[f] {
			continue
		}
		seen[f] = true
		date := modelTime(f.minute)
		add := func(group map[string][]flight, key string) { group[key] = append(group[key], f) }
		add(byOrigin, f.origin.String())
		add(byDay, fmt.Sprintf("%s %v", date[:10], f.origin))
		add(byHour, fmt.Sprintf("%s:00 %v", date[:13], f.origin))
		add(byRoute, fmt.Sprintf("%v-%v", f.origin, f.destination))
	}
	for origin, group := range byOrigin {
		lines = append(lines, modelTotal(origin, group))
	}
	for day, group := range byDay {
		d := modelDelays(group)
		last := len(d) - 1
		lines = append(lines, fmt.Sprintf("day %s %d flights, delays %d %d %d %d %d min",
			day, len(d), d[0], d[last/4], d[last/2], d[last*3/4], d[last]))
	}
	for hour, group := range byHour {
		d := modelDelays(group)
		lines = append(lines, fmt.Sprintf("hour %s %d flights, sum %d, worst %d min", hour, len(d), modelSum(d), d[len(d)-1]))
	}
	for route, group := range byRoute {
		lines = append(lines, modelSessions(route, group)...)
	}
	return lines
}

// modelTime is like 2001-01-31T23:59.
func modelTime(m minute) string {
	line := format(flight{minute: m})
	return line[:10] + "T" + line[11:16]
}

func modelDelays(flights []flight) (delays []int) {
	for _, f := range flights {
		delays = append(delays, int(f.delay))
	}
	sort.Ints(delays)
	return delays
}

func modelSum(delays []int) (sum int) {
	for _, d := range delays {
		sum += d
	}
	return sum
}

func modelTotal(origin string, flights []flight) string {
	there := make(map[string]int)
	for _, f := range flights {
		there[f.destination.String()]++
	}
	var to []string
	for destination, n := range there {
		to = append(to, fmt.Sprintf("%s %d", destination, n))
	}
	sort.Strings(to)
	d := modelDelays(flights)
	mean := float64(modelSum(d)) / float64(len(d))
	return fmt.Sprintf("total %s %d flights, worst %d min, mean %.6f min, to %s",
		origin, len(d), d[len(d)-1], mean, strings.Join(to, " "))
}

func modelSessions(route string, flights []flight) (lines []string) {
	sort.Slice(flights, func(i, j int) bool { return flights[i].minute < flights[j].minute })
	for len(flights) > 0 {
		n := 1
		for n < len(flights) && flights[n].minute-flights[n-1].minute < 180 {
			n++
		}
		lines = append(lines, fmt.Sprintf("session %s to %s %s %d flights",
			modelTime(flights[0].minute), modelTime(flights[n-1].minute), route, n))
		flights = flights[n:]
	}
	return lines
}
