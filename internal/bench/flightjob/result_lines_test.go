package flightjob

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/state"
)

func TestResultLinesHaveTheDocumentedForm(t *testing.T) {
	total := totals{origin: benchtest.AirportOf("ORD"), flights: 3, worst: -1, mean: -7.0 / 3, destinations: []state.Entry[dataset.Airport, int64]{
		{Key: benchtest.AirportOf("ABQ"), Value: 1}, {Key: benchtest.AirportOf("LGA"), Value: 2},
	}}
	hour := punctuality{}.add(-5).add(45).add(0)
	for want, line := range map[string][]byte{
		"total ORD 3 flights, worst -1 min, mean -2.333333 min, to ABQ 1 LGA 2": total.append(nil),
		"day 2001-01-31 ORD 5 flights, delays -21 -4 1 14 360 min":              appendDay(nil, benchtest.MinuteOf("2001-01-31 08:00").Day(), benchtest.AirportOf("ORD"), []int16{14, -21, 360, 1, -4}),
		"day 2001-01-31 ORD 1 flights, delays 7 7 7 7 7 min":                    appendDay(nil, benchtest.MinuteOf("2001-01-31 08:00").Day(), benchtest.AirportOf("ORD"), []int16{7}),
		"hour 2001-01-31T23:00 ORD 3 flights, sum 40, worst 45 min":             appendHour(nil, benchtest.MinuteOf("2001-01-31 23:00"), benchtest.AirportOf("ORD"), hour),
		"session 2001-01-31T06:10 to 2001-01-31T22:05 ORD-LGA 25 flights":       appendSession(nil, benchtest.MinuteOf("2001-01-31 06:10"), benchtest.MinuteOf("2001-01-31 22:05"), dataset.Flight{Origin: benchtest.AirportOf("ORD"), Destination: benchtest.AirportOf("LGA")}.Route(), 25),
		"late hour 2001-01-31T23:59":                                            appendLate(nil, "hour", benchtest.MinuteOf("2001-01-31 23:59").EventTime()),
	} {
		require.Equal(t, want, string(line))
	}
}

func TestEmptyPunctualityIsNeutralInJoin(t *testing.T) {
	p := punctuality{}.add(-30)
	require.Equal(t, punctuality{1, -30, -30}, p)
	require.Equal(t, p, p.join(punctuality{}))
	require.Equal(t, p, punctuality{}.join(p))
	require.Equal(t, punctuality{2, -20, 10}, p.join(punctuality{}.add(10)))
}
