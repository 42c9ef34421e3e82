// Package report writes the measurements of the harness: a table, the progress of a run,
// remarks, and a JSON document. It compares the results of all runs and returns an error if
// they differ.
package report
