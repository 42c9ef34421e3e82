package flightjob

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
)

// partitionOf reads a partition from an offset to its end through a source. Each call of Read
// gets a buffer for piece events.
func partitionOf(t *testing.T, d dataset.Dataset, partition int, offset int64, piece int) (events []job.Event[dataset.Flight]) {
	ctx := context.Background()
	s := &source{dataset: d, limit: new(dataset.ReadLimit)}
	s.limit.Lift()
	r, err := s.Open(ctx, partition, offset)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	buffer := make([]job.Event[dataset.Flight], piece)
	for {
		n, err := r.Read(ctx, buffer)
		events = append(events, buffer[:n]...)
		require.Equal(t, offset+int64(len(events)), s.limit.Position())
		if err == io.EOF {
			return events
		}
		require.NoError(t, err)
		require.Positive(t, n)
	}
}

func TestSourceReadsEveryFlightOfItsPartition(t *testing.T) {
	d, flights := benchtest.SmallDataset(t)
	require.EqualValues(t, len(flights), d.Total())
	for i := range dataset.Partitions {
		var want, got []dataset.Flight
		for at := i; at < len(flights); at += dataset.Partitions {
			want = append(want, flights[at])
		}
		for _, e := range partitionOf(t, d, i, 0, 1000) {
			require.Equal(t, e.Value.Minute.EventTime(), e.Time)
			got = append(got, e.Value)
		}
		require.True(t, benchtest.SameFlights(want, got))
		require.NotEqual(t, want, got, "no disorder")
	}
}

func TestReadingFromAnOffsetReturnsTheSameEvents(t *testing.T) {
	d, _ := benchtest.SmallDataset(t)
	for i := range dataset.Partitions {
		whole := partitionOf(t, d, i, 0, 997)
		for _, offset := range []int64{1, 1000, d.Records[i] - 1, d.Records[i]} {
			rest := partitionOf(t, d, i, offset, 100)
			require.Len(t, rest, len(whole)-int(offset))
			for at, e := range rest {
				require.Equal(t, whole[int(offset)+at], e)
			}
		}
	}
}

func TestReadLimitStopsReadersAlsoAtTheEndOfTheirPartition(t *testing.T) {
	d, _ := benchtest.SmallDataset(t)
	ctx := context.Background()
	s := &source{dataset: d, limit: new(dataset.ReadLimit)}
	r, err := s.Open(ctx, 1, 0)
	require.NoError(t, err)
	buffer := make([]job.Event[dataset.Flight], 1000)
	read := func() int {
		n, err := r.Read(ctx, buffer)
		require.NoError(t, err)
		return n
	}
	require.Zero(t, read())
	s.limit.Set(d, func(int64) int64 { return 1100 })
	require.Equal(t, []int{1000, 100, 0}, []int{read(), read(), read()})
	s.limit.Set(d, func(records int64) int64 { return records })
	for s.limit.Position() < d.Records[1] {
		require.Positive(t, read())
	}
	require.Zero(t, read())
	s.limit.Lift()
	n, err := r.Read(ctx, buffer)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	require.NoError(t, r.Close())
}
