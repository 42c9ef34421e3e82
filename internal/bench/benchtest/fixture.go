// Package benchtest has helpers for the tests of the benchmark packages: small datasets of real
// flights, and a model of the flight job in plain Go.
package benchtest

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/dataset"
)

// DayFlights is a number of flights, from the beginning of the real ones, that take more than
// a day, so that there is a midnight among them.
const DayFlights = 20_000

// FlightsInOrder returns every n-th flight of the first DayFlights, in the order of the input.
func FlightsInOrder(t *testing.T, n int) (some []dataset.Flight) {
	input, err := dataset.FindInput()
	require.NoError(t, err)
	read := 0
	for flights, err := range dataset.Flights(context.Background(), input, DayFlights) {
		require.NoError(t, err)
		for _, f := range flights {
			if read++; read%n == 0 {
				some = append(some, f)
			}
		}
	}
	require.Len(t, some, DayFlights/n)
	return some
}

// SameFlights reports whether a and b have the same flights, in any order.
func SameFlights(a, b []dataset.Flight) bool {
	count := make(map[dataset.Flight]int)
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

// writeInput writes a CSV file of the flights, and repeats every tenth of them about an hour
// later. It returns all flights of the file.
func writeInput(t *testing.T, flights []dataset.Flight) (path string, repeated []dataset.Flight) {
	later := len(flights) / 20
	for _, f := range flights {
		repeated = append(repeated, f)
		if at := len(repeated) - later; at > 0 && at%10 == 0 {
			repeated = append(repeated, repeated[at])
		}
	}
	lines := []string{dataset.Header}
	for _, f := range repeated {
		lines = append(lines, f.String())
	}
	path = filepath.Join(t.TempDir(), "flights.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path, repeated
}

// DatasetOf returns a dataset with the flights, some of them twice, and the list of all flights
// in the dataset.
func DatasetOf(t *testing.T, flights []dataset.Flight) (dataset.Dataset, []dataset.Flight) {
	path, repeated := writeInput(t, flights)
	d, err := dataset.Prepare(context.Background(), path, t.TempDir(), math.MaxInt64)
	require.NoError(t, err)
	return d, repeated
}

// SmallDataset returns a dataset of DayFlights/4 flights, some of them twice, and the list of
// all flights in it.
func SmallDataset(t *testing.T) (dataset.Dataset, []dataset.Flight) {
	return DatasetOf(t, FlightsInOrder(t, 4))
}

// MinuteOf returns the minute of a date like 2001-01-31 23:59.
func MinuteOf(date string) dataset.Minute {
	t, err := time.Parse("2006-01-02 15:04", date)
	if err != nil {
		panic(err)
	}
	return dataset.Minute(t.Unix() / 60)
}

// AirportOf returns the airport with a name of three letters.
func AirportOf(name string) dataset.Airport { return dataset.NewAirport([3]byte([]byte(name))) }

// ContentOf returns the content of a file.
func ContentOf(t *testing.T, path string) string {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// RequireEmpty fails the test if a directory has files.
func RequireEmpty(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}
