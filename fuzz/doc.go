// Package fuzz holds the fuzz targets of the whole library, one per file, and their seeds in
// testdata/fuzz. A plain test run executes the seeds. This command searches for new inputs:
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzOperations$' -fuzztime 100000x -fuzzminimizetime 20x
//
// Without -fuzzminimizetime, Go spends most of a minute to shorten each new input. With a
// duration as -fuzztime, Go 1.26 may fail with "context deadline exceeded" at the end
// (golang/go#75804).
//
// A test run with -update writes the seed files from the calls of the function seed.
package fuzz
