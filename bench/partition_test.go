package main

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// minutelyFlights are four in each minute of a day, in the order of their times, each
// with a distance of its own.
func minutelyFlights() (flights []flight) {
	begin := at("2001-01-01 00:00")
	for i := range 4 * minutesPerDay {
		flights = append(flights, flight{
			minute: begin + minute(i/4), delay: int16(i % 500), distance: uint16(i), origin: airport(i % 300), destination: airport(i % 7),
		})
	}
	return flights
}

// count returns how often each flight is among some.
func count(flights []flight) map[flight]int {
	counts := make(map[flight]int)
	for _, f := range flights {
		counts[f]++
	}
	return counts
}

// smallDeck returns a dataset of minutelyFlights.
func smallDeck(t *testing.T) deck {
	lines := []string{header}
	for _, f := range minutelyFlights() {
		lines = append(lines, f.String())
	}
	path := filepath.Join(t.TempDir(), "flights.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	d, err := deal(context.Background(), path, t.TempDir(), math.MaxInt64)
	require.NoError(t, err)
	return d
}

func TestRecordKeepsEveryField(t *testing.T) {
	for _, f := range []flight{
		{},
		{minute: math.MaxInt32, delay: math.MinInt16, distance: math.MaxUint16, origin: named("ZZZ"), destination: named("AAB")},
		{minute: at("2001-01-01 00:01"), delay: 33, distance: 2176, origin: named("LAS"), destination: named("PHL")},
	} {
		record := appendRecord(nil, f)
		require.Len(t, record, recordBytes)
		require.Equal(t, f, readRecord(record))
	}
}

func TestPartitionsHoldEveryFlightOfTheInput(t *testing.T) {
	d := smallDeck(t)
	flights := minutelyFlights()
	require.EqualValues(t, len(flights), d.total())
	disorder := int64(0)
	for i := range partitions {
		var want, got []flight
		for at := i; at < len(flights); at += partitions {
			want = append(want, flights[at])
		}
		r, err := d.openPartition(i, 0)
		require.NoError(t, err)
		for range want {
			f, err := r.next()
			require.NoError(t, err)
			got = append(got, f)
		}
		_, err = r.next()
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.close())
		require.Equal(t, count(want), count(got))
		disorder = max(disorder, goesBack(got).eventTime())
	}
	require.Equal(t, disorder, d.Disorder)
}

func TestDamagedPartitionIsAnError(t *testing.T) {
	d := smallDeck(t)
	path := partitionPath(d.Dir, 2)
	content, err := os.ReadFile(path)
	require.NoError(t, err)

	content[len(content)/2]++
	require.NoError(t, os.WriteFile(path, content, 0o600))
	damaged := deck{Dir: d.Dir}
	written, err := damaged.count(d.total())
	require.NoError(t, err)
	content[len(content)/2]--
	require.NoError(t, os.WriteFile(path, content, 0o600))
	sound, err := (&deck{Dir: d.Dir}).count(d.total())
	require.NoError(t, err)
	require.NotEqual(t, sound, written)

	for _, outside := range []int64{-1, d.Records[2] + 1, math.MaxInt64} {
		_, err = d.openPartition(2, outside)
		require.ErrorIs(t, err, errInput)
	}

	require.NoError(t, os.WriteFile(path, content[1:], 0o600))
	_, err = d.openPartition(2, 0)
	require.ErrorIs(t, err, errInput)
}
