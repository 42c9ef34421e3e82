// Package report shows the measurements of the harness: the table, the progress of a run,
// remarks, and a JSON document. It fails if the results of two runs differ.
package report
