package dataset

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// arrivals returns the flights in the order in which a disorder delivers them.
func arrivals(t *testing.T, stream uint64, flights []Flight) (arrived []Flight) {
	d := newDisorder(stream, func(f Flight) error {
		arrived = append(arrived, f)
		return nil
	})
	for _, f := range flights {
		require.NoError(t, d.add(f))
	}
	require.NoError(t, d.flush())
	return arrived
}

// maxLateness returns the maximum number of minutes by which a flight is earlier than a flight
// that precedes it.
func maxLateness(flights []Flight) (lateness Minute) {
	highest := flights[0].Minute
	for _, f := range flights {
		highest = max(highest, f.Minute)
		lateness = max(lateness, highest-f.Minute)
	}
	return lateness
}

func TestDisorderIsWithinItsBound(t *testing.T) {
	flights := minutelyFlights()
	arrived := arrivals(t, 0, flights)
	require.Equal(t, count(flights), count(arrived))
	require.LessOrEqual(t, maxLateness(arrived), Minute(maxDelay))
	require.Greater(t, maxLateness(arrived), Minute(maxDelay*9/10), "the flights are almost in order")
}

func TestDisorderIsTheSameInEveryRun(t *testing.T) {
	flights := minutelyFlights()
	require.Equal(t, arrivals(t, 1, flights), arrivals(t, 1, flights))
	require.NotEqual(t, arrivals(t, 1, flights), arrivals(t, 2, flights))
}

func TestDisorderDeliversAllFlightsIfTheyAreNotInOrder(t *testing.T) {
	var flights []Flight
	for _, m := range []Minute{1 << 30, 5, 1 << 20, 0, maxDelay, 1 << 30, maxDelay + 1, 5} {
		flights = append(flights, Flight{Minute: m, Distance: uint16(len(flights))})
	}
	require.Equal(t, count(flights), count(arrivals(t, 0, flights)))
}
