// Package harness runs benchmark jobs in child processes and measures them. It kills the
// processes, or makes the subtasks of a job fail, at chosen points of the input, restores
// the job, and checks that it continued from its newest checkpoint. Package report shows the
// measurements.
package harness
