// Package fuzz holds the fuzz targets of the whole library, one in each file,
// with their seeds under testdata/fuzz. Its tests run the seeds;
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzOperations$' -fuzztime 100000x -fuzzminimizetime 20x
//
// looks for more. Without the second flag Go spends most of a minute on each
// input that it makes shorter; with a time in the first, Go 1.26 may fail with
// "context deadline exceeded" at the end (golang/go#75804).
//
// The targets write their seeds themselves, out of their calls of seed, when a
// test run is given -update.
package fuzz
