package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

func TestLinesReadLikeTheirDescription(t *testing.T) {
	total := totals{origin: airportOf("ORD"), flights: 3, worst: -1, mean: -7.0 / 3, destinations: []state.Entry[airport, int64]{
		{Key: airportOf("ABQ"), Value: 1}, {Key: airportOf("LGA"), Value: 2},
	}}
	hour := punctuality{}.add(-5).add(45).add(0)
	for want, line := range map[string][]byte{
		"total ORD 3 flights, worst -1 min, mean -2.333333 min, to ABQ 1 LGA 2": total.append(nil),
		"day 2001-01-31 ORD 5 flights, delays -21 -4 1 14 360 min":              appendDay(nil, minuteOf("2001-01-31 08:00").day(), airportOf("ORD"), []int16{14, -21, 360, 1, -4}),
		"day 2001-01-31 ORD 1 flights, delays 7 7 7 7 7 min":                    appendDay(nil, minuteOf("2001-01-31 08:00").day(), airportOf("ORD"), []int16{7}),
		"hour 2001-01-31T23:00 ORD 3 flights, sum 40, worst 45 min":             appendHour(nil, minuteOf("2001-01-31 23:00"), airportOf("ORD"), hour),
		"session 2001-01-31T06:10 to 2001-01-31T22:05 ORD-LGA 25 flights":       appendSession(nil, minuteOf("2001-01-31 06:10"), minuteOf("2001-01-31 22:05"), flight{origin: airportOf("ORD"), destination: airportOf("LGA")}.route(), 25),
		"late hour 2001-01-31T23:59":                                            appendLate(nil, "hour", minuteOf("2001-01-31 23:59").eventTime()),
	} {
		require.Equal(t, want, string(line))
	}
}

func TestPunctualityOfNothingIsNeutral(t *testing.T) {
	p := punctuality{}.add(-30)
	require.Equal(t, punctuality{1, -30, -30}, p)
	require.Equal(t, p, p.join(punctuality{}))
	require.Equal(t, p, punctuality{}.join(p))
	require.Equal(t, punctuality{2, -20, 10}, p.join(punctuality{}.add(10)))
}
