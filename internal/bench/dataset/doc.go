// Package dataset provides the flights that the benchmark job reads. It reads the CSV file in
// bench/data, delays flights so that they arrive out of order, and writes them to partition
// files, which take the place of a replayable log. It does not depend on the jobs.
package dataset
