package main

import (
	"fmt"
	"sort"
	"strings"
)

// modelLines is the job in plain Go: no states, no timers, no stream. It shares
// nothing with the job but how a date and an airport look like as text.
func modelLines(flights []flight) (lines []string) {
	seen := make(map[flight]bool)
	byOrigin := make(map[string][]flight)
	byDay := make(map[string][]flight)
	byHour := make(map[string][]flight)
	byRoute := make(map[string][]flight)
	for _, f := range flights {
		if seen[f] {
			continue
		}
		seen[f] = true
		date := modelTime(f.minute)
		add := func(group map[string][]flight, key string) { group[key] = append(group[key], f) }
		add(byOrigin, f.origin.String())
		add(byDay, fmt.Sprintf("%s %v", date[:10], f.origin))
		add(byHour, fmt.Sprintf("%s:00 %v", date[:13], f.origin))
		add(byRoute, fmt.Sprintf("%v-%v", f.origin, f.destination))
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

// modelTime is like 2001-01-31T23:59.
func modelTime(m minute) string {
	line := flight{minute: m}.String()
	return line[:10] + "T" + line[11:16]
}

func modelDelays(flights []flight) (delays []int) {
	for _, f := range flights {
		delays = append(delays, int(f.delay))
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

func modelTotal(origin string, flights []flight) string {
	there := make(map[string]int)
	for _, f := range flights {
		there[f.destination.String()]++
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

func modelSessions(route string, flights []flight) (lines []string) {
	sort.Slice(flights, func(i, j int) bool { return flights[i].minute < flights[j].minute })
	for len(flights) > 0 {
		n := 1
		for n < len(flights) && flights[n].minute-flights[n-1].minute < 180 {
			n++
		}
		lines = append(lines, fmt.Sprintf("session %s to %s %s %d flights",
			modelTime(flights[0].minute), modelTime(flights[n-1].minute), route, n))
		flights = flights[n:]
	}
	return lines
}
