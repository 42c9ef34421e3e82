// Package command implements the command bench: flags, the plans for the rows of the table, and
// exit codes.
package command
