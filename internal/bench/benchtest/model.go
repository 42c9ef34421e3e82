package benchtest

import (
	"fmt"
	"sort"
	"strings"

	"github.com/weirstate/weir/internal/bench/dataset"
)

// ModelLines returns the result lines of the flight job in any order. It computes them in plain
// Go, without states, timers or streams. It shares only the text form of dates and airports
// with the job.
func ModelLines(flights []dataset.Flight) (lines []string) {
	seen := make(map[dataset.Flight]bool)
	byOrigin := make(map[string][]dataset.Flight)
	byDay := make(map[string][]dataset.Flight)
	byHour := make(map[string][]dataset.Flight)
	byRoute := make(map[string][]dataset.Flight)
	for _, f := range flights {
		if seen[f] {
			continue
		}
		seen[f] = true
		date := modelTime(f.Minute)
		add := func(group map[string][]dataset.Flight, key string) { group[key] = append(group[key], f) }
		add(byOrigin, f.Origin.String())
		add(byDay, fmt.Sprintf("%s %v", date[:10], f.Origin))
		add(byHour, fmt.Sprintf("%s:00 %v", date[:13], f.Origin))
		add(byRoute, fmt.Sprintf("%v-%v", f.Origin, f.Destination))
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

// modelTime returns a time in the form 2001-01-31T23:59.
func modelTime(m dataset.Minute) string {
	line := dataset.Flight{Minute: m}.String()
	return line[:10] + "T" + line[11:16]
}

func modelDelays(flights []dataset.Flight) (delays []int) {
	for _, f := range flights {
		delays = append(delays, int(f.Delay))
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

func modelTotal(origin string, flights []dataset.Flight) string {
	there := make(map[string]int)
	for _, f := range flights {
		there[f.Destination.String()]++
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

func modelSessions(route string, flights []dataset.Flight) (lines []string) {
	sort.Slice(flights, func(i, j int) bool { return flights[i].Minute < flights[j].Minute })
	for len(flights) > 0 {
		n := 1
		for n < len(flights) && flights[n].Minute-flights[n-1].Minute < 180 {
			n++
		}
		lines = append(lines, fmt.Sprintf("session %s to %s %s %d flights",
			modelTime(flights[0].Minute), modelTime(flights[n-1].Minute), route, n))
		flights = flights[n:]
	}
	return lines
}
