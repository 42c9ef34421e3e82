package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// arrivals is what a stream of disorder makes of flights.
func arrivals(t *testing.T, stream uint64, flights []flight) (arrived []flight) {
	d := newDisorder(stream, func(f flight) error {
		arrived = append(arrived, f)
		return nil
	})
	for _, f := range flights {
		require.NoError(t, d.add(f))
	}
	require.NoError(t, d.flush())
	return arrived
}

// goesBack is by how many minutes a flight is earlier than one before it, at
// most.
func goesBack(flights []flight) (most minute) {
	highest := flights[0].minute
	for _, f := range flights {
		highest = max(highest, f.minute)
		most = max(most, highest-f.minute)
	}
	return most
}

func TestDisorderIsWithinItsBound(t *testing.T) {
	flights := minutelyFlights()
	arrived := arrivals(t, 0, flights)
	require.Equal(t, count(flights), count(arrived))
	require.LessOrEqual(t, goesBack(arrived), minute(maxDelay))
	require.Greater(t, goesBack(arrived), minute(maxDelay*9/10), "hardly any disorder")
}

func TestDisorderIsTheSameInEveryRun(t *testing.T) {
	flights := minutelyFlights()
	require.Equal(t, arrivals(t, 1, flights), arrivals(t, 1, flights))
	require.NotEqual(t, arrivals(t, 1, flights), arrivals(t, 2, flights))
}

func TestDisorderLosesNothingOfWhatComesInAnyOrder(t *testing.T) {
	var flights []flight
	for _, m := range []minute{1 << 30, 5, 1 << 20, 0, maxDelay, 1 << 30, maxDelay + 1, 5} {
		flights = append(flights, flight{minute: m, distance: uint16(len(flights))})
	}
	require.Equal(t, count(flights), count(arrivals(t, 0, flights)))
}
