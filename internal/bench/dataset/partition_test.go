package dataset

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

// minutelyFlights returns four flights for each minute of a day, in the order of their times.
// Each flight has a different distance.
func minutelyFlights() (flights []Flight) {
	begin := at("2001-01-01 00:00")
	for i := range 4 * MinutesPerDay {
		flights = append(flights, Flight{
			Minute: begin + Minute(i/4), Delay: int16(i % 500), Distance: uint16(i), Origin: Airport(i % 300), Destination: Airport(i % 7),
		})
	}
	return flights
}

// count returns how often each flight occurs.
func count(flights []Flight) map[Flight]int {
	counts := make(map[Flight]int)
	for _, f := range flights {
		counts[f]++
	}
	return counts
}

// smallDataset returns a dataset of minutelyFlights.
func smallDataset(t *testing.T) Dataset {
	lines := []string{Header}
	for _, f := range minutelyFlights() {
		lines = append(lines, f.String())
	}
	path := filepath.Join(t.TempDir(), "flights.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	d, err := Prepare(context.Background(), path, t.TempDir(), math.MaxInt64)
	require.NoError(t, err)
	return d
}

func TestRecordKeepsEveryField(t *testing.T) {
	for _, f := range []Flight{
		{},
		{Minute: math.MaxInt32, Delay: math.MinInt16, Distance: math.MaxUint16, Origin: named("ZZZ"), Destination: named("AAB")},
		{Minute: at("2001-01-01 00:01"), Delay: 33, Distance: 2176, Origin: named("LAS"), Destination: named("PHL")},
	} {
		record := appendRecord(nil, f)
		require.Len(t, record, recordBytes)
		require.Equal(t, f, readRecord(record))
	}
}

func TestPartitionsHoldEveryFlightOfTheInput(t *testing.T) {
	d := smallDataset(t)
	flights := minutelyFlights()
	require.EqualValues(t, len(flights), d.Total())
	disorder := int64(0)
	for i := range Partitions {
		var want, got []Flight
		for at := i; at < len(flights); at += Partitions {
			want = append(want, flights[at])
		}
		r, err := d.OpenPartition(i, 0)
		require.NoError(t, err)
		for range want {
			f, err := r.Next()
			require.NoError(t, err)
			got = append(got, f)
		}
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, r.Close())
		require.Equal(t, count(want), count(got))
		disorder = max(disorder, maxLateness(got).EventTime())
	}
	require.Equal(t, disorder, d.Disorder)
}

func TestDamagedPartitionIsAnError(t *testing.T) {
	d := smallDataset(t)
	path := PartitionPath(d.Dir, 2)
	content, err := os.ReadFile(path)
	require.NoError(t, err)

	content[len(content)/2]++
	require.NoError(t, os.WriteFile(path, content, 0o600))
	damaged := Dataset{Dir: d.Dir}
	got, err := damaged.count(d.Total())
	require.NoError(t, err)
	content[len(content)/2]--
	require.NoError(t, os.WriteFile(path, content, 0o600))
	want, err := (&Dataset{Dir: d.Dir}).count(d.Total())
	require.NoError(t, err)
	require.NotEqual(t, want, got)

	for _, outside := range []int64{-1, d.Records[2] + 1, math.MaxInt64} {
		_, err = d.OpenPartition(2, outside)
		require.ErrorIs(t, err, ErrInput)
	}

	for _, ofAnotherSize := range [][]byte{content[1:], append(content, 0)} {
		require.NoError(t, os.WriteFile(path, ofAnotherSize, 0o600))
		_, err = d.OpenPartition(2, 0)
		require.ErrorIs(t, err, ErrInput)
	}
}
