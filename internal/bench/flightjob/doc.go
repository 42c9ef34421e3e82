// Package flightjob is the main job of the benchmarks: it drops flights that it has
// seen, keeps totals, destinations and each day's delays of every origin, counts by the
// hour, and follows sessions on every route. It may not know who runs it, on which
// backend, nor that its process is killed.
package flightjob
