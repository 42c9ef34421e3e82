package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		lines = append(lines, f.String())
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

// minuteOf returns the minute of a date like 2001-01-31 23:59.
func minuteOf(date string) minute {
	t, err := time.Parse("2006-01-02 15:04", date)
	if err != nil {
		panic(err)
	}
	return minute(t.Unix() / 60)
}

// airportOf returns the airport with a name of three letters.
func airportOf(name string) airport { return newAirport([3]byte([]byte(name))) }

// contentOf returns the content of a file.
func contentOf(t *testing.T, path string) string {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// requireEmpty fails the test if a directory has files.
func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}
