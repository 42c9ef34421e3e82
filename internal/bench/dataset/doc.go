// Package dataset holds the flights that the benchmark job reads: the CSV file in
// bench/data, flights out of order, and the files of the partitions, which stand for a
// replayable log. It may not know the job that reads them.
package dataset
