// Package flightjob is the main job of the benchmarks. It drops repeated flights. For each
// origin it computes totals, the number of flights by destination, the delays of each day and
// the number of flights in each hour. For each route it computes sessions. The job does not
// depend on the backend, and does not know that the harness kills its process.
package flightjob
