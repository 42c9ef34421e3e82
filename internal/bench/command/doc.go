// Package command is the command line of the benchmark job: flags, the choice of rows, and
// exit codes.
package command
